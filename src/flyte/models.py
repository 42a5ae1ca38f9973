"""What a running task knows about itself, and what describes a task. Public as `flyte.models`."""

from __future__ import annotations

import sys
from typing import Any

from flyte.authoring.docstring import Docstring
from flyte.model.bundle import CodeBundle
from flyte.model.context import (
    NULL_TASK_CONTEXT,
    ActionID,
    CheckpointPaths,
    GroupData,
    PathRewrite,
    RawDataPath,
    TaskContext,
    generate_random_name,
    is_clustered_worker_env,
)
from flyte.model.interface import NativeInterface, extract_return_annotation
from flyte.model.naming import CallCounter
from flyte.model.phase import ActionPhase
from flyte.model.task import Placement as SerializationContext

__all__ = [
    "NULL_TASK_CONTEXT",
    "ActionID",
    "ActionPhase",
    "CallCounter",
    "CheckpointPaths",
    "CodeBundle",
    "Docstring",
    "GroupData",
    "NativeInterface",
    "PathRewrite",
    "RawDataPath",
    "SerializationContext",
    "TaskContext",
    "extract_return_annotation",
    "generate_random_name",
    "is_clustered_worker_env",
]


def __getattr__(name: str) -> Any:
    from flyte import surface

    return surface.resolve(sys.modules[__name__], name, sys._getframe(1))
