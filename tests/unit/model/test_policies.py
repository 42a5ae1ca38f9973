"""Retries, timeouts, reuse and caching, as declarations."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

import flyte
from flyte.errors import InvalidType, InvalidValue
from flyte.model.bundle import CodeBundle
from flyte.model.cache import VersionParameters, as_cache, function_body_digest
from flyte.model.retry import as_retry_strategy
from flyte.model.timeout import as_timeout


def test_waits_grow_up_to_their_cap() -> None:
    backoff = flyte.Backoff(timedelta(seconds=1), 2, timedelta(seconds=5))
    assert [backoff.compute_delay(n).total_seconds() for n in range(5)] == [1, 2, 4, 5, 5]
    assert backoff.compute_delay(10**9) == timedelta(seconds=5)
    assert flyte.Backoff(timedelta(seconds=3)).compute_delay(7) == timedelta(seconds=3)


def test_a_huge_factor_is_capped_too() -> None:
    assert flyte.Backoff(timedelta(seconds=1), 1e9, timedelta(hours=1)).compute_delay(1000) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: flyte.Backoff(3), "Backoff(base=…) must be a timedelta, not int."),
        (lambda: flyte.Backoff(timedelta(-1)), "Backoff(base=…) must not be negative"),
        (lambda: flyte.Backoff(timedelta(1), 0.5), "must be a finite number of at least 1, got 0.5."),
        (lambda: flyte.Backoff(timedelta(1), float("nan")), "got nan."),
        (lambda: flyte.Backoff(timedelta(1), float("inf"), timedelta(1)), "got inf."),
        (lambda: flyte.Backoff(timedelta(1), 2), "a factor above 1 needs a cap, or its waits would grow without end."),
        (lambda: flyte.Backoff(timedelta(2), 2, timedelta(1)), "Backoff(cap=…) must be at least the base"),
        (lambda: flyte.RetryStrategy(-1), "retries must be between 0 and 1,000,000, got -1."),
        (lambda: flyte.RetryStrategy(2**31), "got 2147483648."),
        (lambda: flyte.RetryStrategy("3"), "retries must be a whole number or a RetryStrategy, not '3'."),
        (lambda: flyte.RetryStrategy(1.5), "not 1.5."),
        (lambda: flyte.RetryStrategy(True), "not True."),
        (lambda: flyte.RetryStrategy(1, 3), "backoff must be a flyte.Backoff, not int."),
        (lambda: flyte.Timeout(-1), "Timeout(max_runtime=…) must not be negative"),
        (lambda: flyte.Timeout(deadline="1h"), "Timeout(deadline=…) must be a timedelta or a number of seconds, not"),
        (lambda: flyte.Timeout(max_queued_time=float("nan")), "Timeout(max_queued_time=…) must be finite, got nan."),
        (lambda: as_timeout("x"), "timeout must be a timedelta or a number of seconds, not 'x'."),
        (lambda: as_timeout(-5), "timeout must not be negative"),
        (lambda: as_timeout(True), "not True."),
        (lambda: flyte.Timeout(10**12), "Timeout(max_runtime=…) is longer than can be counted"),
        (lambda: flyte.ReusePolicy(idle_ttl=5), "ReusePolicy(idle_ttl=…) must be at least 30 seconds, got 0:00:05."),
        (lambda: flyte.ReusePolicy(scaledown_ttl=timedelta(seconds=29)), "ReusePolicy(scaledown_ttl=…) must be at"),
        (lambda: flyte.ReusePolicy(idle_ttl="x"), "ReusePolicy(idle_ttl=…) must be a timedelta or whole seconds"),
        (lambda: flyte.ReusePolicy(replicas=0), "must be a number above 0 or (min, max), got (0, 0)."),
        (lambda: flyte.ReusePolicy(replicas=(3, 1)), "the fewest are more than the most."),
        (lambda: flyte.ReusePolicy(replicas=(1, 2, 3)), "got (1, 2, 3)."),
        (lambda: flyte.ReusePolicy(replicas="2"), "ReusePolicy(replicas=…) must be a number above 0 or (min, max)"),
        (lambda: flyte.ReusePolicy(concurrency=0), "ReusePolicy(concurrency=…) must be at least 1, got 0."),
        (lambda: flyte.ReusePolicy(scope="x"), "ReusePolicy(scope=…) must be 'global' or 'run', got 'x'."),
        (lambda: flyte.Cache("sometimes"), "cache='sometimes' is not known. Use 'auto', 'override', 'disable' or a"),
        (lambda: flyte.Cache("auto", max_age=-1), "Cache(max_age=…) must not be negative"),
        (lambda: flyte.Cache("auto", max_age="x"), "Cache(max_age=…) must be a timedelta or whole seconds, not 'x'."),
        (lambda: as_cache(3), "cache must be 'auto', 'override', 'disable' or a flyte.Cache, not 3."),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(make: Any, sentence: str) -> None:
    with pytest.raises((InvalidValue, InvalidType)) as e:
        make()
    assert sentence in str(e.value)


def test_a_bare_number_is_a_count_of_retries() -> None:
    assert as_retry_strategy(3) == flyte.RetryStrategy(3)
    strategy = flyte.RetryStrategy(1, flyte.Backoff(timedelta(seconds=1)))
    assert as_retry_strategy(strategy) is strategy


def test_a_bare_time_bounds_the_runtime_and_zero_is_no_bound() -> None:
    assert as_timeout(300).bound("max_runtime") == timedelta(minutes=5)
    assert as_timeout(timedelta(hours=1)).bound("max_runtime") == timedelta(hours=1)
    assert as_timeout(0).bound("max_runtime") is None
    assert as_timeout(None).bound("deadline") is None
    timeout = flyte.Timeout(max_queued_time=60, deadline=timedelta(hours=2))
    assert as_timeout(timeout) is timeout
    assert timeout.bound("max_queued_time") == timedelta(minutes=1)


def test_a_number_of_replicas_is_fewest_and_most() -> None:
    policy = flyte.ReusePolicy(replicas=3, idle_ttl=timedelta(minutes=5))
    assert (policy.min_replicas, policy.max_replicas) == (3, 3)
    assert policy.idle_ttl == timedelta(minutes=5)
    assert policy.get_scaledown_ttl() == timedelta(seconds=30)
    assert flyte.ReusePolicy(replicas=(0, 4)).max_replicas == 4


@pytest.mark.parametrize(
    ("spelling", "behavior"),
    [("auto", "auto"), ("Enabled", "auto"), ("on", "auto"), ("yes", "auto"), ("override", "override"),
     ("off", "disable"), ("NO", "disable"), ("none", "disable")],
)  # fmt: skip
def test_cache_behaviours_have_several_spellings(spelling: Any, behavior: str) -> None:
    assert as_cache(spelling).behavior == behavior


def task_of_two(x: int) -> int:
    return x + 2


def test_the_cache_version_follows_the_functions_body() -> None:
    cache = flyte.Cache("auto")
    version = cache.get_version(VersionParameters(task_of_two))
    assert version == hashlib.sha256(function_body_digest(task_of_two).encode()).hexdigest()
    assert flyte.Cache("auto", salt="s").get_version(VersionParameters(task_of_two)) != version
    assert flyte.Cache("disable").get_version() == ""
    assert flyte.Cache("override", version_override="7").get_version() == "7"


def test_several_policies_are_put_together() -> None:
    class Fixed:
        def get_version(self, salt: str, params: VersionParameters) -> str:
            return "one" + salt

    assert isinstance(Fixed(), flyte.CachePolicy)
    cache = flyte.Cache("auto", policies=[Fixed(), Fixed()], salt="-")
    assert cache.get_version(VersionParameters(None)) == hashlib.sha256(b"one-one-").hexdigest()
    assert (
        flyte.Cache("auto", policies=Fixed()).get_version(VersionParameters(None)) == hashlib.sha256(b"one").hexdigest()
    )


def test_a_pickled_bundle_is_its_own_cache_version() -> None:
    bundle = CodeBundle(computed_version="abc", pkl="file:///x")
    assert flyte.Cache("auto").get_version(VersionParameters(task_of_two, code_bundle=bundle)) == "abc"


def test_a_function_without_source_needs_a_version() -> None:
    with pytest.raises(InvalidValue, match=r"source of len cannot be read.*flyte\.Cache\('override', version_override"):
        function_body_digest(len)
    with pytest.raises(InvalidValue, match="needs the parameters that its policies look at"):
        flyte.Cache("auto").get_version()


def test_ignored_inputs_are_a_tuple() -> None:
    assert flyte.Cache("auto", ignored_inputs="x").get_ignored_inputs() == ("x",)
    assert flyte.Cache("auto", ignored_inputs=("x", "y")).get_ignored_inputs() == ("x", "y")
    assert flyte.Cache("auto", max_age=60).max_age == timedelta(minutes=1)
    assert not flyte.Cache("disable").is_enabled()


def test_a_bundle_is_an_archive_or_a_pickle(tmp_path: Any) -> None:
    with pytest.raises(InvalidValue, match="needs either a tgz or a pkl address"):
        CodeBundle(computed_version="1")
    with pytest.raises(InvalidValue):
        CodeBundle(computed_version="1", tgz="a", pkl="b")
    assert CodeBundle(computed_version="1", tgz="a").with_downloaded_path(tmp_path).downloaded_path == tmp_path
