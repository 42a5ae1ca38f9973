"""Every exception that a user of flyte can meet.

This module knows nothing of the rest of the package: it is imported by everything and imports nothing.

    FlyteError                          one sentence for a person, a code for a program, a hint what to do
    ├── InvalidValue (ValueError)       an argument, a declaration or a file is wrong
    │   ├── InvalidName
    │   └── UnknownName                 a name that does not exist, with suggestions
    ├── InvalidType (TypeError)         an argument has the wrong type
    ├── FeatureNotAvailable             a public name that is not built yet
    │   ├── FeatureNotAvailableAttribute (AttributeError)   reached as `flyte.name`
    │   └── FeatureNotAvailableImport (ImportError)         reached by `from flyte import name`
    ├── RpcError                        a request was refused by the backend; carries its Connect code
    │   └── BackendUnreachable
    ├── BackendError                    the local backend could not be started, stopped or found
    ├── StorageError                    an object could not be read or written
    └── BaseRuntimeError (RuntimeError) something happened to a task; has code, kind and worker
        ├── InitializationError
        ├── RuntimeSystemError          the platform's failure
        │   └── UnionRpcError
        ├── RuntimeUnknownError
        ├── GPUFaultError
        │   ├── GPUFaultUserError (RuntimeUserError)
        │   └── GPUFaultSystemError (RuntimeSystemError)
        ├── LogsNotYetAvailableError
        └── RuntimeUserError            a failure in user code
            ├── OOMError · TaskInterruptedError · PrimaryContainerNotFoundError · RetriesExhaustedError
            ├── InvalidImageNameError · ImagePullBackOffError · CustomError · NotInTaskContextError
            ├── TaskTimeoutError
            │   ├── MaxQueuedTimeExceededError
            │   ├── MaxRuntimeExceededError
            │   └── DeadlineExceededError
            ├── ConditionTimedoutError · ConditionAlreadyExistsError · ConditionFailedError
            ├── ConditionNotFoundError
            ├── RemoteTaskNotFoundError · RemoteTaskUsageError
            ├── RuntimeDataValidationError · InlineIOMaxBytesBreached · RestrictedTypeError
            ├── DeploymentError · ImageBuildError · InvalidPackageError · ModuleLoadError · CodeBundleError
            ├── ActionAbortedError · NonRecoverableError
            ├── SlowDownError
            │   └── ResourceExhaustedError
            ├── OnlyAsyncIOSupportedError · ParameterMaterializationError
            ├── SyncTaskCallInAsyncContextError · TraceDoesNotAllowNestedTasksError
            └── AppleSiliconError (and its six kinds)
    ActionNotFoundError (RuntimeError)  plain, for compatibility
"""

from __future__ import annotations

import copyreg
from typing import Any, Literal, NoReturn

ErrorKind = Literal["system", "unknown", "user"]

GPU_FAULT_CODES = (
    "GpuXidError",
    "GpuFallenOffBus",
    "GpuEccUncorrectable",
    "GpuRowRemapPending",
    "GpuNvlinkError",
    "GpuGspError",
)


class FlyteError(Exception):
    """Root of every error that flyte raises on purpose.

    Attributes:
        message: One sentence: what happened, to what, and what to do.
        code: A stable name for programs; the class name unless a cause is more precise.
        hint: A further line for a person, printed after the message by the CLI.
    """

    def __init__(self, message: str = "", *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).__name__
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Not by calling the class: most take other arguments than the message, which is all that `args` has.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class InvalidValue(FlyteError, ValueError):
    """An argument, a declaration or a file holds a value that cannot be."""


class InvalidName(InvalidValue):
    """A name breaks the rules for names of its kind."""


class UnknownName(InvalidValue):
    """A name that does not exist; the message lists what does and suggests the nearest."""


class InvalidType(FlyteError, TypeError):
    """An argument has the wrong type."""


class FeatureNotAvailable(FlyteError):
    """A public name of the Flyte surface that this version does not offer yet."""


class FeatureNotAvailableAttribute(FeatureNotAvailable, AttributeError):
    """The name was read as an attribute, so that `hasattr` answers False."""


class FeatureNotAvailableImport(FeatureNotAvailable, ImportError):
    """The name was imported."""


class RpcError(FlyteError):
    """The backend refused or failed a request.

    Attributes:
        code: The Connect code in lower case, `not_found` say.
    """

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)


class BackendUnreachable(RpcError):
    """No backend answered at the configured address."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, code="unavailable", hint=hint)


class BackendError(FlyteError):
    """The local backend could not be started, stopped or found."""


class StorageError(FlyteError):
    """An object could not be read, written or verified."""


class BaseRuntimeError(FlyteError, RuntimeError):
    """Something happened to a task.

    Arithmetic with such an error raises it, so that `sum(flyte.map(...))` shows the failure of the
    element and not a type error.

    Attributes:
        code: What happened, `ValueError` say for a user's ValueError.
        kind: Whose fault it was: `user`, `system` or `unknown`.
        worker: Where it happened, where that is known.
    """

    def __init__(self, code: str, kind: ErrorKind, root_cause_message: str, worker: str | None = None) -> None:
        super().__init__(root_cause_message, code=code)
        self.kind: ErrorKind = kind
        self.worker = worker

    def _raise_self(self, _other: object = None) -> NoReturn:
        raise self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _raise_self
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _raise_self


class InitializationError(BaseRuntimeError):
    """The SDK is not initialised, or its configuration is missing or wrong."""


class RuntimeSystemError(BaseRuntimeError):
    """The platform failed, not the user's code."""

    def __init__(self, code: str, message: str, worker: str | None = None) -> None:
        super().__init__(code, "system", message, worker)


class UnionRpcError(RuntimeSystemError):
    """A request to the backend failed."""


class RuntimeUserError(BaseRuntimeError):
    """A failure in user code; what a failed child raises in its parent."""

    def __init__(self, code: str, message: str, worker: str | None = None) -> None:
        super().__init__(code, "user", message, worker)


class RuntimeUnknownError(BaseRuntimeError):
    """A failure whose origin is not known."""

    def __init__(self, code: str, message: str, worker: str | None = None) -> None:
        super().__init__(code, "unknown", message, worker)


class OOMError(RuntimeUserError):
    """The task was ended because it used more memory than it may."""


class GPUFaultError(BaseRuntimeError):
    """The backend attributed a failure to a GPU or its interconnect."""

    def __init__(self, code: str, kind: ErrorKind, message: str, worker: str | None = None, **fault: Any) -> None:
        BaseRuntimeError.__init__(self, code, kind, message, worker)
        names = "fault_kind fault_code fault_name severity gpu_uuid gpu_index node pci_bus_id process"
        for name in names.split():
            setattr(self, name, fault.pop(name, None))
        if fault:
            raise TypeError(f"{type(self).__name__} got unexpected arguments: {', '.join(sorted(fault))}")

    @property
    def xid(self) -> int | None:
        """The NVIDIA Xid code, where the fault is one."""
        return getattr(self, "fault_code", None) if getattr(self, "fault_kind", None) == "xid" else None

    @property
    def sxid(self) -> int | None:
        """The NVSwitch SXid code, where the fault is one."""
        return getattr(self, "fault_code", None) if getattr(self, "fault_kind", None) == "sxid" else None


class GPUFaultUserError(GPUFaultError, RuntimeUserError):
    """A GPU fault that the workload caused."""

    def __init__(self, code: str, message: str, worker: str | None = None, **fault: Any) -> None:
        GPUFaultError.__init__(self, code, "user", message, worker, **fault)


class GPUFaultSystemError(GPUFaultError, RuntimeSystemError):
    """A GPU fault of the hardware."""

    def __init__(self, code: str, message: str, worker: str | None = None, **fault: Any) -> None:
        GPUFaultError.__init__(self, code, "system", message, worker, **fault)


class TaskInterruptedError(RuntimeUserError):
    """The task was pre-empted."""


class PrimaryContainerNotFoundError(RuntimeUserError):
    """The pod template names no such container."""


class RetriesExhaustedError(RuntimeUserError):
    """Every attempt failed."""


class InvalidImageNameError(RuntimeUserError):
    """The image name cannot be parsed."""


class ImagePullBackOffError(RuntimeUserError):
    """The image could not be pulled."""


class NotInTaskContextError(RuntimeUserError):
    """Something that only works inside a task was used outside of one."""


class CustomError(RuntimeUserError):
    """A failure with a code of the user's choosing."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, "user")

    @classmethod
    def from_exception(cls, e: BaseException) -> CustomError:
        """Wrap `e`: its class name becomes the code, and it stays reachable as `__cause__`."""
        error = cls(type(e).__name__, str(e))
        error.__cause__ = e
        return error


class _CodedUserError(RuntimeUserError):
    """A user error whose code is its own class name."""

    def __init__(self, message: str) -> None:
        super().__init__(type(self).__name__, message, "user")


class TaskTimeoutError(RuntimeUserError):
    """A time bound of the task was hit."""

    def __init__(self, message: str, code: str = "TaskTimeoutError") -> None:
        super().__init__(code, message, "user")


class MaxQueuedTimeExceededError(TaskTimeoutError):
    """`Timeout(max_queued_time=…)` was hit."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "MaxQueuedTimeExceededError")


class MaxRuntimeExceededError(TaskTimeoutError):
    """`Timeout(max_runtime=…)` was hit."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "MaxRuntimeExceededError")


class DeadlineExceededError(TaskTimeoutError):
    """`Timeout(deadline=…)` was hit."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "DeadlineExceededError")


class ConditionTimedoutError(_CodedUserError):
    """A condition was not answered in time."""


class ConditionAlreadyExistsError(_CodedUserError):
    """A condition of this name exists already in the action."""


class ConditionFailedError(_CodedUserError):
    """A condition failed on the backend."""


class ConditionNotFoundError(_CodedUserError):
    """There is no such condition."""


class RemoteTaskNotFoundError(_CodedUserError):
    """The deployed task does not exist."""


class RemoteTaskUsageError(_CodedUserError):
    """A handle on a deployed task was used in a way it cannot be."""


class LogsNotYetAvailableError(BaseRuntimeError):
    """Logs were asked for before there are any."""

    def __init__(self, message: str) -> None:
        super().__init__("LogsNotYetAvailable", "system", message)


class RuntimeDataValidationError(RuntimeUserError):
    """An input or an output could not be converted.

    Attributes:
        var: The input or output.
        task_name: The task, where it is known.
    """

    def __init__(self, var: str, e: Exception | str, task_name: str = "") -> None:
        of = f"task {task_name}, " if task_name else ""
        super().__init__("DataValidationError", f"In {of}variable {var!r}: {e}", "user")
        self.var = var
        self.task_name = task_name


class DeploymentError(_CodedUserError):
    """A deployment failed."""


class ImageBuildError(_CodedUserError):
    """An image could not be built."""


class ModuleLoadError(_CodedUserError):
    """A user's module could not be imported."""


class InlineIOMaxBytesBreached(_CodedUserError):
    """The serialised inputs or outputs are larger than `max_inline_io_bytes`."""


class ActionAbortedError(_CodedUserError):
    """The child was aborted from outside."""


class SlowDownError(_CodedUserError):
    """The backend asks to slow down."""


class ResourceExhaustedError(SlowDownError):
    """A quota is used up."""


class OnlyAsyncIOSupportedError(_CodedUserError):
    """Synchronous I/O was used where only asynchronous I/O is possible."""


class ParameterMaterializationError(_CodedUserError):
    """A parameter of an app could not be resolved."""


class RestrictedTypeError(RuntimeUserError):
    """A type that may not be used."""

    def __init__(self, message: str) -> None:
        super().__init__("RestrictedTypeUsage", message, "user")


class CodeBundleError(_CodedUserError):
    """The code bundle is empty or cannot be made."""


class SyncTaskCallInAsyncContextError(_CodedUserError):
    """The call of a synchronous task on a running event loop was used without having been awaited."""


class TraceDoesNotAllowNestedTasksError(_CodedUserError):
    """A task was called inside a traced function."""


class InvalidPackageError(RuntimeUserError):
    """A system package is not known to the image's package manager."""

    def __init__(self, package_name: str, original_error: str) -> None:
        super().__init__("InvalidPackageError", f"Unknown package {package_name!r}: {original_error}", "user")
        self.package_name = package_name
        self.original_error = original_error


class NonRecoverableError(RuntimeUserError):
    """Raise it in a task to fail without any further attempt."""

    def __init__(self, message: str, code: str = "NonRecoverableError") -> None:
        super().__init__(code, message, "user")


class ActionNotFoundError(RuntimeError):
    """There is no such action."""


class AppleSiliconError(RuntimeUserError):
    """A failure of the Metal GPU of a devbox's host."""

    code_name = "APPLE_SILICON_ERROR"
    recoverable = False

    def __init__(self, message: str, worker: str | None = None) -> None:
        super().__init__(self.code_name, message, worker)


class AppleSiliconNotAvailableError(AppleSiliconError):
    """There is no Metal GPU."""

    code_name = "APPLE_SILICON_NOT_AVAILABLE"


class AppleSiliconHostExecFailedError(AppleSiliconError):
    """The host could not execute the workload."""

    code_name = "APPLE_SILICON_HOST_EXEC_FAILED"


class AppleSiliconDaemonStartFailedError(AppleSiliconError):
    """The host's daemon did not start."""

    code_name = "APPLE_SILICON_DAEMON_START_FAILED"


class AppleSiliconDaemonOOMError(AppleSiliconError):
    """The host's daemon ran out of memory."""

    code_name = "APPLE_SILICON_DAEMON_OOM"
    recoverable = True


class AppleSiliconModelNotFoundError(AppleSiliconError):
    """The host has no such model."""

    code_name = "APPLE_SILICON_MODEL_NOT_FOUND"


class AppleSiliconBridgeUnreachableError(AppleSiliconError):
    """The host's bridge does not answer."""

    code_name = "APPLE_SILICON_BRIDGE_UNREACHABLE"
    recoverable = True


APPLE_SILICON_ERRORS_BY_CODE: dict[str, type[AppleSiliconError]] = {
    kind.code_name: kind
    for kind in (
        AppleSiliconError,
        AppleSiliconNotAvailableError,
        AppleSiliconHostExecFailedError,
        AppleSiliconDaemonStartFailedError,
        AppleSiliconDaemonOOMError,
        AppleSiliconModelNotFoundError,
        AppleSiliconBridgeUnreachableError,
    )
}

_BY_CODE_FRAGMENT: tuple[tuple[str, type[RuntimeUserError]], ...] = (
    ("OOM", OOMError),
    ("Interrupted", TaskInterruptedError),
    ("PrimaryContainerNotFound", PrimaryContainerNotFoundError),
    ("RetriesExhausted", RetriesExhaustedError),
    ("InvalidImageName", InvalidImageNameError),
    ("ImagePullBackOff", ImagePullBackOffError),
)


def from_code(code: str, kind: ErrorKind, message: str, worker: str | None = None) -> BaseRuntimeError:
    """The exception that a failed child raises in its parent.

    The class follows from the fragments that the protocol names, and is `RuntimeUserError`, `RuntimeSystemError` or
    `RuntimeUnknownError` otherwise. Of a code `ServerCode|UserCode` the error keeps what the user's code said.
    """
    said = code.rpartition("|")[2] or code
    is_gpu_fault = any(fragment in said for fragment in GPU_FAULT_CODES)
    if kind == "system":
        return (GPUFaultSystemError if is_gpu_fault else RuntimeSystemError)(said, message, worker)
    if kind == "unknown":
        return RuntimeUnknownError(said, message, worker)
    if is_gpu_fault:
        return GPUFaultUserError(said, message, worker)
    for fragment, error in _BY_CODE_FRAGMENT:
        if fragment in code:
            return error(said, message, worker)
    return RuntimeUserError(said, message, worker)


NEVER_RETRIED = (NonRecoverableError, RuntimeDataValidationError, InvalidValue, InvalidType)
"""What would be the same the next time: the retries of a task are not spent on it, in no mode."""


def timed_out(code: str, message: str) -> TaskTimeoutError:
    """The exception for an action that ended as TIMED_OUT, by the backend's code."""
    if "QUEUED_TIMEOUT_EXCEEDED" in code:
        return MaxQueuedTimeExceededError(message)
    if "MAX_RUNTIME_EXCEEDED" in code:
        return MaxRuntimeExceededError(message)
    if "DEADLINE_EXCEEDED" in code:
        return DeadlineExceededError(message)
    return TaskTimeoutError(message)


def silence_polling_error(loop: Any, context: dict[str, Any]) -> None:
    """An asyncio exception handler that ignores BlockingIOError and passes on everything else."""
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
