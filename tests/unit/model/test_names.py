"""Identifiers, names that follow from contents, secrets and phases."""

from __future__ import annotations

import hashlib
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flyte
from flyte.errors import InvalidName, InvalidType, InvalidValue
from flyte.model.ids import ActionRef, RunId, Scope, TaskRef
from flyte.model.naming import CallCounter, base36, child_name
from flyte.model.phase import TERMINAL, ActionPhase
from flyte.model.secret import as_secrets

SCOPE = Scope("flytesnacks", "development")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Scope("", "d"), "The project is empty. It needs 1 to 63 characters"),
        (lambda: Scope("a b", "d"), "The project 'a b' is not a valid name."),
        (lambda: Scope("p", "x" * 64), "has 64 characters; 63 are allowed."),
        (lambda: Scope("p", "../x"), "The domain '../x' is not a valid name."),
        (
            lambda: RunId(SCOPE, "Run"),
            "The run name 'Run' is not a valid name. Use lower-case letters, digits and '-'.",
        ),
        (lambda: RunId(SCOPE, "-a"), "is not a valid name"),
        (lambda: RunId(SCOPE, "a" * 31), "has 31 characters; 30 are allowed."),
        (lambda: RunId(SCOPE, "a\n"), "is not a valid name"),
        (lambda: RunId(SCOPE, "é"), "is not a valid name"),
        (lambda: ActionRef(RunId(SCOPE, "r"), "a/b"), "The action name 'a/b'"),
        (lambda: TaskRef(SCOPE, "a b", "v"), "The task name 'a b'"),
        (lambda: TaskRef(SCOPE, "e.t", ""), "The version '' of task e.t must have 1 to 63 printable characters."),
        (lambda: TaskRef(SCOPE, "e.t", "a\x1b[0m"), "printable characters"),
    ],
)
def test_a_name_that_breaks_the_rules_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises(InvalidName) as e:
        make()
    assert sentence in str(e.value)


def test_names_within_the_rules_are_taken() -> None:
    assert ActionRef(RunId(SCOPE, "r0-1"), "a0").name == "a0"
    assert TaskRef(SCOPE, "env.<lambda>", "v1.0.0").version == "v1.0.0"


@given(st.binary(min_size=1, max_size=32))
def test_base36_is_the_number_of_the_bytes(data: bytes) -> None:
    assert int(base36(data), 36) == int.from_bytes(data, "big")


def test_a_childs_name_follows_from_what_it_does() -> None:
    expected = base36(hashlib.md5(b"a0-in-task-1").digest())
    assert child_name("a0", "in", "task", 1, None) == expected
    assert child_name("a0", "in", "task", 1, "g") == base36(hashlib.md5(b"a0-in-task-1-g").digest())
    assert len(expected) <= 25


def test_equal_calls_are_counted_from_one() -> None:
    counter = CallCounter()
    assert [counter.next("a"), counter.next("b"), counter.next("a")] == [1, 1, 2]


@pytest.mark.parametrize(
    ("secret", "variable"),
    [
        (flyte.Secret("my-key"), "MY_KEY"),
        (flyte.Secret("key", group="my-group"), "MY_GROUP_KEY"),
        (flyte.Secret("key", as_env_var="OTHER"), "OTHER"),
    ],
)
def test_a_secret_appears_in_a_variable(secret: flyte.Secret, variable: str) -> None:
    assert secret.env_var == variable


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: flyte.Secret(""), "Secret key '' must be letters, digits, '-' and '_'."),
        (lambda: flyte.Secret("a b"), "Secret key 'a b'"),
        (lambda: flyte.Secret("1key"), "Secret '1key' would appear in the variable '1KEY', which is no name"),
        (lambda: flyte.Secret("k", group="a b"), "Secret group 'a b' must be letters, digits, '-' and '_'."),
        (lambda: flyte.Secret("k", mount=pathlib.Path("/tmp")), "only mount='/etc/flyte/secrets' is possible"),
        (
            lambda: flyte.Secret("k", as_env_var="lower"),
            "as_env_var='lower' must be upper-case letters, digits and '_'",
        ),
    ],
)
def test_a_secret_that_cannot_be_asked_for_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises(InvalidValue) as e:
        make()
    assert sentence in str(e.value)


def test_secrets_may_be_asked_for_by_name() -> None:
    secret = flyte.Secret("a", mount=pathlib.Path("/etc/flyte/secrets"))
    assert as_secrets(["x", secret]) == (flyte.Secret("x"), secret)
    assert as_secrets("x") == (flyte.Secret("x"),)
    assert as_secrets(None) == ()
    assert secret.stable_hash() == flyte.Secret("a", mount=pathlib.Path("/etc/flyte/secrets")).stable_hash()
    assert secret.stable_hash() != flyte.Secret("a").stable_hash()
    with pytest.raises(InvalidType, match=r"secrets must be names or flyte\.Secret objects, not 3"):
        as_secrets([3])  # type: ignore[list-item]


def test_two_secrets_with_different_names_have_different_digests() -> None:
    assert flyte.Secret("ab", group="c").stable_hash() != flyte.Secret("a", group="bc").stable_hash()


def test_phases_know_whether_they_are_the_end() -> None:
    assert {phase for phase in ActionPhase if phase.is_terminal} == TERMINAL
    assert {phase for phase in ActionPhase if phase.is_success} == {ActionPhase.SUCCEEDED, ActionPhase.RECOVERED}
    assert ActionPhase("timed_out") is ActionPhase.TIMED_OUT
