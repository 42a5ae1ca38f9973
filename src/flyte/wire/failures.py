"""Failures of tasks ⇄ the error messages of the protocol."""

from __future__ import annotations

from flyteidl2.core import execution_pb2

from flyte import errors

_KINDS = {"user": execution_pb2.ExecutionError.USER, "system": execution_pb2.ExecutionError.SYSTEM}


def error_document(error: BaseException, message: str | None = None) -> execution_pb2.ErrorDocument:
    """What a task process writes to error.pb.

    A user's exception has its class name as code and can be retried, unless it is of `NEVER_RETRIED`.
    """
    if isinstance(error, errors.BaseRuntimeError):
        code, kind = error.code, error.kind
    elif isinstance(error, errors.FlyteError):
        code, kind = error.code, "user"
    else:
        code, kind = type(error).__name__, "user"
    final = isinstance(error, errors.NEVER_RETRIED)
    container = execution_pb2.ContainerError
    return execution_pb2.ErrorDocument(
        error=execution_pb2.ContainerError(
            code=_sendable(code),
            message=_sendable(message if message is not None else _text(error)),
            kind=container.NON_RECOVERABLE if final else container.RECOVERABLE,
            origin=_KINDS.get(kind, execution_pb2.ExecutionError.UNKNOWN),
        )
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as e:  # noqa: BLE001  a user's exception that cannot be printed must not hide that it was raised
        return f"The exception {type(error).__name__} has no text: its __str__ raised {type(e).__name__}."


def _sendable(text: str) -> str:
    """A text that UTF-8 can hold: halves of characters, which undecodable file names are read into, are written out."""
    return text.encode(errors="backslashreplace").decode()


def error_kind(kind: int) -> errors.ErrorKind:
    """Whose fault an ExecutionError was."""
    if kind == execution_pb2.ExecutionError.USER:
        return "user"
    return "system" if kind == execution_pb2.ExecutionError.SYSTEM else "unknown"


def error_from_pb(pb: execution_pb2.ExecutionError) -> errors.BaseRuntimeError:
    """The exception that a failed child raises in its parent."""
    return errors.from_code(pb.code, error_kind(pb.kind), pb.message, pb.worker or None)
