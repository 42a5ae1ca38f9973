"""What a running task knows about itself."""

from __future__ import annotations

import os
import pathlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from flyte.errors import InvalidValue
from flyte.model.bundle import CodeBundle
from flyte.model.naming import CallCounter, child_name


def generate_random_name() -> str:
    """A name that nothing else has (a uuid4)."""
    return str(uuid.uuid4())


@dataclass(frozen=True, kw_only=True)
class ActionID:
    """Who an action is, as user code sees it.

    Args:
        name: The action's name, unique in its run.
        run_name: The run's name; the action's own name by default.
        project: None in local mode without a project.
        domain: None in local mode without a domain.
        org: Opaque.
    """

    name: str
    run_name: str | None = None
    project: str | None = None
    domain: str | None = None
    org: str | None = None

    def __post_init__(self) -> None:
        if self.run_name is None:
            object.__setattr__(self, "run_name", self.name)

    @classmethod
    def create_random(cls) -> ActionID:
        """A new run's root."""
        return cls(name=generate_random_name())

    def new_sub_action(self, name: str | None = None) -> ActionID:
        """A child in the same run, with a random name unless one is given."""
        return replace(self, name=name or generate_random_name())

    def new_sub_action_from(self, task_call_seq: int, task_hash: str, input_hash: str, group: str | None) -> ActionID:
        """A child whose name follows from what it does."""
        return self.new_sub_action(child_name(self.name, input_hash, task_hash, task_call_seq, group))

    def unique_id_str(self, salt: str | None = None) -> str:
        """All parts in one text."""
        text = f"{self.project}-{self.domain}-{self.run_name}-{self.name}"
        return f"{text}-{salt}" if salt else text


@dataclass(frozen=True)
class GroupData:
    """The group that children are started in."""

    name: str


@dataclass
class PathRewrite:
    """Rewrite the beginning of blob addresses, `old->new`."""

    old_prefix: str
    new_prefix: str

    def __post_init__(self) -> None:
        if not self.old_prefix or not self.new_prefix:
            raise InvalidValue("A path rewrite needs both prefixes: old->new.")

    @classmethod
    def from_str(cls, pattern: str) -> PathRewrite:
        """Parse `old->new`."""
        old, arrow, new = pattern.partition("->")
        if not arrow:
            raise InvalidValue(f"A path rewrite is written old->new, not {pattern!r}.")
        return cls(old, new)


@dataclass(frozen=True, kw_only=True)
class RawDataPath:
    """Where a task's blobs go."""

    path: str
    path_rewrite: PathRewrite | None = None

    @classmethod
    def from_local_folder(cls, local_folder: str | pathlib.Path | None = None) -> RawDataPath:
        """A folder of this machine, a new temporary one by default."""
        if local_folder is None:
            import tempfile  # not at the top: it loads the compression libraries

            local_folder = tempfile.mkdtemp()
        return cls(path=str(local_folder))

    def get_random_remote_path(self, file_name: str | None = None) -> str:
        """An address below the prefix that nothing else has."""
        leaf = file_name or ""
        base = f"{self.path.rstrip('/')}/{uuid.uuid4().hex}"
        return f"{base}/{leaf}" if leaf else base


@dataclass(frozen=True)
class CheckpointPaths:
    """Where this attempt saves its checkpoint, and where the one before it did."""

    prev_checkpoint_path: str | None
    checkpoint_path: str | None


def _int_env(name: str) -> int | None:
    value = os.environ.get(name, "")
    return int(value) if value.lstrip("-").isdigit() else None


Mode = Literal["local", "remote", "hybrid"]


@dataclass(frozen=True, kw_only=True)
class TaskContext:
    """Everything that `flyte.ctx()` tells. Inside a trace, `action` is the trace and `task_action` the task."""

    action: ActionID
    version: str
    raw_data_path: RawDataPath
    input_path: str | None = None
    output_path: str
    run_base_dir: str
    report: Any = None
    group_data: GroupData | None = None
    checkpoint_paths: CheckpointPaths | None = None
    code_bundle: CodeBundle | None = None
    compiled_image_cache: Any = None
    data: dict[str, Any] = field(default_factory=dict)
    mode: Mode = "remote"
    interactive_mode: bool = False
    custom_context: dict[str, str] = field(default_factory=dict)
    disable_run_cache: bool = False
    in_driver_literal_conversion: bool = False
    run_start_time: datetime | None = field(default_factory=lambda: datetime.now(UTC))
    task_action: ActionID | None = None
    attempt: int = 0
    _call_counter: CallCounter = field(default_factory=CallCounter)

    def replace(self, **kwargs: Any) -> TaskContext:
        """A copy with some fields changed; `data` is merged."""
        if "data" in kwargs:
            kwargs["data"] = {**self.data, **kwargs["data"]}
        return replace(self, **kwargs)

    def __getitem__(self, key: str) -> Any:
        return self.data.get(key)

    def is_in_cluster(self) -> bool:
        """True when a backend runs the task, False in local mode."""
        return self.mode == "remote"

    @property
    def attempt_number(self) -> int:
        """Which attempt this is, counting from 0."""
        if self.mode == "local":
            return self.attempt
        return _int_env("FLYTE_ATTEMPT_NUMBER") or 0

    @property
    def rank(self) -> int | None:
        """RANK of a distributed worker."""
        return _int_env("RANK")

    @property
    def local_rank(self) -> int | None:
        """LOCAL_RANK of a distributed worker."""
        return _int_env("LOCAL_RANK")

    @property
    def world_size(self) -> int | None:
        """WORLD_SIZE of a distributed worker."""
        return _int_env("WORLD_SIZE")

    @property
    def local_world_size(self) -> int | None:
        """LOCAL_WORLD_SIZE of a distributed worker."""
        return _int_env("LOCAL_WORLD_SIZE")

    @property
    def node_rank(self) -> int | None:
        """GROUP_RANK, else NODE_RANK, of a distributed worker."""
        rank = _int_env("GROUP_RANK")
        return rank if rank is not None else _int_env("NODE_RANK")

    @property
    def nnodes(self) -> int | None:
        """NNODES of a distributed worker."""
        return _int_env("NNODES")

    @property
    def master_addr(self) -> str | None:
        """MASTER_ADDR of a distributed worker."""
        return os.environ.get("MASTER_ADDR")

    @property
    def master_port(self) -> int | None:
        """MASTER_PORT of a distributed worker."""
        return _int_env("MASTER_PORT")

    @property
    def restart_attempt(self) -> int | None:
        """TORCHELASTIC_RESTART_COUNT of a distributed worker."""
        return _int_env("TORCHELASTIC_RESTART_COUNT")


class NullTaskContext:
    """What `flyte.ctx()` answers outside a task: falsy, and every field is None."""

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)

    def __getitem__(self, key: str) -> None:
        return None

    def is_in_cluster(self) -> bool:
        """Never, outside a task."""
        return False

    def __repr__(self) -> str:
        return "NullTaskContext()"


NULL_TASK_CONTEXT = NullTaskContext()


def is_clustered_worker_env(env: Mapping[str, str]) -> bool:
    """True when the environment marks a distributed worker process."""
    return bool(env.get("FLYTE_CLUSTERED_WORKER"))
