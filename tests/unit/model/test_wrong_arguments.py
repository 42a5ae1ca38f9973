"""Values of the wrong type or beyond all bounds, in declarations: each is refused where it stands, in a sentence."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

import flyte
from flyte.errors import FlyteError, InvalidValue
from flyte.model.image_layering import Layering
from flyte.model.interface import NativeInterface
from flyte.model.outcome import ActionOutputs

DEBIAN = flyte.Image.from_debian_base()
HUGE = 10**400

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: flyte.Resources(memory="1e400"), "is more than any machine has."),
    (lambda: flyte.Resources(cpu=HUGE), "is more than any machine has."),
    (lambda: flyte.Resources(gpu="²"), "gpu='²': write a number"),
    (lambda: flyte.Resources(gpu="T4:²"), "gpu='T4:²': write a number"),
    (lambda: flyte.GPU("T4", quantity="2"), "must be a whole number, not '2'."),  # type: ignore[arg-type]
    (lambda: flyte.GPU("T4", quantity=1.5), "must be a whole number, not 1.5."),  # type: ignore[arg-type]
    (lambda: flyte.Secret("a", as_env_var=5), "as_env_var=5 must be upper-case"),  # type: ignore[arg-type]
    (lambda: flyte.Secret("a", mount=5), "only mount='/etc/flyte/secrets' is possible"),  # type: ignore[arg-type]
    (lambda: flyte.Timeout(timedelta.max), "Timeout(max_runtime=…) is longer than can be counted"),
    (lambda: flyte.Timeout(HUGE), "Timeout(max_runtime=…) is longer than can be counted"),
    (lambda: flyte.Cache("auto", max_age=HUGE), "Cache(max_age=…) is longer than can be counted"),
    (lambda: flyte.Cache("auto", ignored_inputs=5), "must be names of inputs, not 5."),  # type: ignore[arg-type]
    (lambda: flyte.Cache("auto", policies=5), "a method get_version(salt, params), not 5."),  # type: ignore[arg-type]
    (lambda: flyte.Cache("auto", salt=5), "Cache(salt=…) and Cache(version_override=…)"),  # type: ignore[arg-type]
    (lambda: flyte.Cache("override", version_override=5), "must be text."),  # type: ignore[arg-type]
    (lambda: flyte.ReusePolicy(idle_ttl=HUGE), "ReusePolicy(idle_ttl=…) is longer than can be counted"),
    (lambda: flyte.ReusePolicy(replicas=True), "must be a number above 0 or (min, max), got (True, True)."),
    (lambda: flyte.Backoff(timedelta(1), "2"), "Backoff(factor=…) must be a number, not '2'."),  # type: ignore[arg-type]
    (lambda: flyte.Backoff(timedelta(1), 2.0, 7), "Backoff(cap=…) must be a timedelta, not 7."),  # type: ignore[arg-type]
    (lambda: flyte.Trigger("x", description=None), "description must be text, not None."),  # type: ignore[arg-type]
    (lambda: flyte.Trigger("x", max_action_concurrency="3"), "must be a whole number, not '3'."),  # type: ignore[arg-type]
    (lambda: flyte.Trigger("x", inputs=[1]), "inputs must be a dict of names to values, not [1]."),  # type: ignore[arg-type]
    (lambda: flyte.Cron("*/000 * * * *"), "'*/000' is not a minute."),
    (lambda: flyte.Cron("٣ * * * *"), "'٣' is not a minute."),
    (lambda: flyte.Image.from_debian_base(python_version=(True, False)), "must be two numbers, (3, 12) say."),
    (lambda: flyte.Image.from_debian_base(platform=5), "platform=5 must be of linux/amd64"),  # type: ignore[arg-type]
    (lambda: DEBIAN.with_pip_packages("a", extra_index_urls=5), "extra_index_urls=5 must be an"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "sentence"), REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
def test_a_wrong_argument_is_refused_where_it_is_given(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(FlyteError) as caught:
        make()
    assert sentence in str(caught.value)


def test_a_pod_whose_container_has_no_name_has_the_usual_primary_one() -> None:
    assert flyte.PodTemplate.from_spec({"containers": [{}]}).primary_container_name == "primary"


def test_what_can_be_layered_says_how() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Layering()  # type: ignore[abstract]


def test_outputs_can_be_copied_and_pickled() -> None:
    outputs = ActionOutputs(None, (1, ["a"]), ["number", "texts"])
    for other in (copy.copy(outputs), copy.deepcopy(outputs), pickle.loads(pickle.dumps(outputs))):
        assert other == outputs
        assert type(other) is ActionOutputs
        assert (other.number, other.o1, other.fields) == (1, ["a"], ["number", "texts"])


class Unready(NamedTuple):
    x: Nowhere  # type: ignore[name-defined]  # noqa: F821


def returns_unready() -> Unready: ...  # type: ignore[empty-body]
def divides(x: "1 / 0") -> None: ...  # type: ignore[valid-type]  # noqa: UP037
def looks_up(x: "list[{}['a']]") -> None: ...  # type: ignore  # noqa: UP037, F821


@pytest.mark.parametrize(
    ("func", "sentence"),
    [
        (returns_unready, "A type hint of Unready names 'Nowhere', which is not defined where the class is."),
        (divides, "A type hint of divides cannot be evaluated: division by zero."),
        (looks_up, "A type hint of looks_up cannot be evaluated: 'a'."),
    ],
)
def test_a_hint_that_cannot_be_evaluated_is_told(func: Callable[..., Any], sentence: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        NativeInterface.from_callable(func)
    assert sentence in str(caught.value)
