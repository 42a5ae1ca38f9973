"""error.pb in plain terms, for the control plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flyteidl2.core import execution_pb2
from google.protobuf.message import DecodeError

LONGEST_MESSAGE = 64 * 1024
"""How much of an error's message is kept, in characters."""
LONGEST_CODE = 255
"""The same of its code, which is a class name of the user's mostly."""


@dataclass(frozen=True, slots=True)
class TaskError:
    """What a task process said of its failure."""

    code: str
    message: str
    kind: Literal["user", "system"]
    recoverable: bool


def task_error(document: bytes) -> TaskError:
    """Read an error document; an unreadable one is itself the error."""
    try:
        error = execution_pb2.ErrorDocument.FromString(document).error
    except DecodeError:
        return TaskError("UnreadableError", "The task left an error document that cannot be read.", "system", True)
    return TaskError(
        code=error.code[:LONGEST_CODE] or "UnknownError",
        message=shortened(error.message),
        kind="system" if error.origin == execution_pb2.ExecutionError.SYSTEM else "user",
        recoverable=error.kind == execution_pb2.ContainerError.RECOVERABLE,
    )


def shortened(message: str) -> str:
    """A message within its bound, with a word about what was cut."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2
    return f"{message[:half]}\n… {len(message) - LONGEST_MESSAGE:,} characters left out …\n{message[-half:]}"
