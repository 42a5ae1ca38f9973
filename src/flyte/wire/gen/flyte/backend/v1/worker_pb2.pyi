from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttemptRef(_message.Message):
    __slots__ = ("project", "domain", "run", "action", "attempt", "epoch")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    project: str
    domain: str
    run: str
    action: str
    attempt: int
    epoch: int
    def __init__(self, project: _Optional[str] = ..., domain: _Optional[str] = ..., run: _Optional[str] = ..., action: _Optional[str] = ..., attempt: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("supervisor_id", "incarnation", "version", "pid", "known")
    SUPERVISOR_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    supervisor_id: str
    incarnation: str
    version: str
    pid: int
    known: _containers.RepeatedCompositeFieldContainer[AttemptRef]
    def __init__(self, supervisor_id: _Optional[str] = ..., incarnation: _Optional[str] = ..., version: _Optional[str] = ..., pid: _Optional[int] = ..., known: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: str
    def __init__(self, version: _Optional[str] = ...) -> None: ...

class Start(_message.Message):
    __slots__ = ("attempt", "argv", "env", "output_prefix", "expects_outputs", "token", "interpreter")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ARGV_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    EXPECTS_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    INTERPRETER_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    argv: _containers.RepeatedScalarFieldContainer[str]
    env: _containers.ScalarMap[str, str]
    output_prefix: str
    expects_outputs: bool
    token: str
    interpreter: str
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., argv: _Optional[_Iterable[str]] = ..., env: _Optional[_Mapping[str, str]] = ..., output_prefix: _Optional[str] = ..., expects_outputs: _Optional[bool] = ..., token: _Optional[str] = ..., interpreter: _Optional[str] = ...) -> None: ...

class Stop(_message.Message):
    __slots__ = ("attempt", "reason", "grace_seconds")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    GRACE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    reason: str
    grace_seconds: float
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., reason: _Optional[str] = ..., grace_seconds: _Optional[float] = ...) -> None: ...

class Acknowledge(_message.Message):
    __slots__ = ("attempt",)
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ...) -> None: ...

class Shutdown(_message.Message):
    __slots__ = ("grace_seconds", "keep_tasks")
    GRACE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    KEEP_TASKS_FIELD_NUMBER: _ClassVar[int]
    grace_seconds: float
    keep_tasks: bool
    def __init__(self, grace_seconds: _Optional[float] = ..., keep_tasks: _Optional[bool] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ToSupervisor(_message.Message):
    __slots__ = ("welcome", "start", "stop", "acknowledge", "shutdown", "ping")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    start: Start
    stop: Stop
    acknowledge: Acknowledge
    shutdown: Shutdown
    ping: Ping
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., start: _Optional[_Union[Start, _Mapping]] = ..., stop: _Optional[_Union[Stop, _Mapping]] = ..., acknowledge: _Optional[_Union[Acknowledge, _Mapping]] = ..., shutdown: _Optional[_Union[Shutdown, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("attempt", "at_us", "pid")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    at_us: int
    pid: int
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., at_us: _Optional[int] = ..., pid: _Optional[int] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("attempt", "at_us", "exit_code", "signal", "has_outputs", "error_document", "lost_reason", "stopped", "peak_memory_bytes", "cpu_seconds")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    HAS_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    LOST_REASON_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    PEAK_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    at_us: int
    exit_code: int
    signal: int
    has_outputs: bool
    error_document: bytes
    lost_reason: str
    stopped: bool
    peak_memory_bytes: int
    cpu_seconds: float
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., at_us: _Optional[int] = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., has_outputs: _Optional[bool] = ..., error_document: _Optional[bytes] = ..., lost_reason: _Optional[str] = ..., stopped: _Optional[bool] = ..., peak_memory_bytes: _Optional[int] = ..., cpu_seconds: _Optional[float] = ...) -> None: ...

class LogGrew(_message.Message):
    __slots__ = ("attempt", "size")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    size: int
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., size: _Optional[int] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FromSupervisor(_message.Message):
    __slots__ = ("hello", "started", "ended", "log_grew", "pong")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    LOG_GREW_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    started: Started
    ended: Ended
    log_grew: LogGrew
    pong: Pong
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ..., log_grew: _Optional[_Union[LogGrew, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ...) -> None: ...
