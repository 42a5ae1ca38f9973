"""The exit code says how it ended."""

from __future__ import annotations

import pytest

from flyte.cli.exits import code_of_error, code_of_phase, print_error
from flyte.errors import (
    ActionAbortedError,
    BackendError,
    BackendUnreachable,
    InvalidValue,
    MaxRuntimeExceededError,
    RpcError,
    RuntimeUserError,
)
from flyte.model.phase import TERMINAL, ActionPhase


def test_every_end_of_a_run_has_its_code() -> None:
    codes = {phase.value: code_of_phase(phase) for phase in TERMINAL}
    assert codes == {"succeeded": 0, "recovered": 0, "failed": 1, "aborted": 3, "timed_out": 4}
    assert code_of_phase(ActionPhase.RUNNING) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BackendUnreachable("x"), 5),
        (RpcError("the stream broke", code="unavailable"), 5),
        (RpcError("x", code="not_found"), 1),
        (BackendError("x"), 1),
        (InvalidValue("x"), 1),
        (RuntimeUserError("ValueError", "x"), 1),
        (ActionAbortedError("x"), 3),
        (MaxRuntimeExceededError("x"), 4),
    ],
)
def test_every_error_has_its_code(error: BaseException, code: int) -> None:
    assert code_of_error(error) == code


def test_an_error_is_one_sentence_and_a_hint_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(InvalidValue("wrong \x1b[31m", hint="do \x07this"))
    assert capsys.readouterr().err == "Error: wrong \\x1b[31m\ndo \\x07this\n"
