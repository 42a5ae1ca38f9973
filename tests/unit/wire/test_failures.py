"""Error documents: whatever a task raises can be told."""

from __future__ import annotations

import pytest

from flyte.errors import (
    CustomError,
    InvalidType,
    InvalidValue,
    NonRecoverableError,
    RuntimeDataValidationError,
    RuntimeSystemError,
)
from flyte.wire.documents import LONGEST_MESSAGE, TaskError, task_error
from flyte.wire.failures import error_document


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def told(error: BaseException) -> TaskError:
    return task_error(error_document(error).SerializeToString())


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ValueError("bad"), "ValueError", "bad"),
        (FileNotFoundError(2, "No such file", "a\udcff"), "FileNotFoundError", "[Errno 2] No such file: 'a\\udcff'"),
        (ValueError("half: \ud800"), "ValueError", "half: \\ud800"),
        (CustomError("Code\ud800", "x"), "Code\\ud800", "x"),
        (Mute(), "Mute", "The exception Mute has no text: its __str__ raised RuntimeError."),
    ],
    ids=lambda v: ascii(v)[:30],
)
def test_every_exception_has_an_error_document(error: BaseException, code: str, message: str) -> None:
    assert told(error) == TaskError(code, message, "user", recoverable=True)


def test_what_no_retry_can_help_is_final() -> None:
    assert not told(NonRecoverableError("no")).recoverable
    assert not told(RuntimeDataValidationError("x", "wrong", "env.t")).recoverable
    assert not told(InvalidValue("task other takes two inputs")).recoverable
    assert not told(InvalidType("not an int")).recoverable
    assert told(RuntimeSystemError("Lost", "gone")).kind == "system"


def test_a_long_message_loses_its_middle() -> None:
    message = told(ValueError("a" * LONGEST_MESSAGE + "b" * LONGEST_MESSAGE)).message
    assert len(message) < LONGEST_MESSAGE + 100
    assert message.startswith("a")
    assert message.endswith("b")
    assert f"{LONGEST_MESSAGE:,} characters left out" in message


def test_an_unreadable_document_is_itself_the_error() -> None:
    assert task_error(b"\xff").code == "UnreadableError"
