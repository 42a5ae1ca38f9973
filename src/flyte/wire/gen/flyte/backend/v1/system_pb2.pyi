import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetSystemRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSystemResponse(_message.Message):
    __slots__ = ("version", "cluster_id", "data", "url", "started_at", "database", "task_python")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    DATABASE_FIELD_NUMBER: _ClassVar[int]
    TASK_PYTHON_FIELD_NUMBER: _ClassVar[int]
    version: str
    cluster_id: str
    data: str
    url: str
    started_at: _timestamp_pb2.Timestamp
    database: str
    task_python: str
    def __init__(self, version: _Optional[str] = ..., cluster_id: _Optional[str] = ..., data: _Optional[str] = ..., url: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., database: _Optional[str] = ..., task_python: _Optional[str] = ...) -> None: ...

class RegisterInterpreterRequest(_message.Message):
    __slots__ = ("executable", "prefix", "version", "flyte_version")
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FLYTE_VERSION_FIELD_NUMBER: _ClassVar[int]
    executable: str
    prefix: str
    version: str
    flyte_version: str
    def __init__(self, executable: _Optional[str] = ..., prefix: _Optional[str] = ..., version: _Optional[str] = ..., flyte_version: _Optional[str] = ...) -> None: ...

class RegisterInterpreterResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: str
    def __init__(self, image: _Optional[str] = ...) -> None: ...
