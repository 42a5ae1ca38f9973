"""What a task process left as its error, in the control plane's terms."""

from __future__ import annotations

from flyteidl2.core import execution_pb2

from flyte.wire.documents import LONGEST_CODE, LONGEST_MESSAGE, TaskError, task_error


def document(code: str, message: str) -> bytes:
    error = execution_pb2.ContainerError(
        code=code,
        message=message,
        kind=execution_pb2.ContainerError.RECOVERABLE,
        origin=execution_pb2.ExecutionError.USER,
    )
    return execution_pb2.ErrorDocument(error=error).SerializeToString()


def test_an_error_is_read_as_it_was_written() -> None:
    assert task_error(document("ValueError", "no")) == TaskError("ValueError", "no", "user", True)


def test_an_error_without_a_code_or_without_sense_is_still_one() -> None:
    assert task_error(b"").code == "UnknownError"
    assert task_error(b"\xff\xff not protobuf").code == "UnreadableError"


def test_code_and_message_are_kept_within_their_bounds() -> None:
    error = task_error(document("C" * 100_000, "begin" + "m" * 1_000_000 + "end"))
    assert error.code == "C" * LONGEST_CODE
    assert len(error.message) < LONGEST_MESSAGE + 100
    assert error.message.startswith("begin") and error.message.endswith("end") and "left out" in error.message
