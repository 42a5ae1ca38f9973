"""A task as data: everything about it that the wire needs, and nothing that runs."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from flyte.model.bundle import CodeBundle
from flyte.model.cache import Cache
from flyte.model.interface import NativeInterface
from flyte.model.resources import Resources
from flyte.model.retry import RetryStrategy
from flyte.model.reuse import ReusePolicy
from flyte.model.secret import Secret
from flyte.model.source import Repository
from flyte.model.timeout import Timeout

MAX_INLINE_IO_BYTES = 10 * 1024 * 1024
"""How large serialised inputs or outputs may be, in bytes, unless a task says otherwise."""

SDK_COMPATIBLE_VERSION = "2.12.1"
"""The version of the official SDK that this one stands in for on the wire."""

RESOLVER = "flyte._internal.resolvers.default.DefaultTaskResolver"
"""The name under which official task processes find a task by module and variable."""


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """One task, ready to be translated.

    Args:
        name: `environment.function`.
        module: Dotted path of the task's module, relative to the code bundle.
        variable: The module attribute that holds the task.
        cache_version: The version under which results are kept; also set for tasks without a cache.
    """

    name: str
    environment: str
    environment_description: str | None
    short_name: str
    interface: NativeInterface
    task_type: str
    task_type_version: int
    image: str | None
    resources: Resources | None
    cache: Cache
    cache_version: str
    retries: RetryStrategy
    timeout: Timeout
    interruptible: bool
    reusable: ReusePolicy | None
    env_vars: dict[str, str]
    secrets: tuple[Secret, ...]
    service_account: str | None
    pod_template: Any
    report: bool
    debuggable: bool
    entrypoint: bool
    produces_artifacts: bool
    queue: str | None
    max_inline_io_bytes: int
    description: str | None
    long_description: str | None
    source_link: str | None
    module: str | None
    variable: str | None


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where and as what a task is serialised: the part of a TaskSpec that does not follow from its code.

    Args:
        sys_path: Folders for `sys.path`, relative to the bundle, put into the container's environment.
        image_cache: The encoded image cache that children resolve their images from.
        repository: Where the code comes from; documentation links there.
    """

    version: str
    project: str = ""
    domain: str = ""
    org: str = ""
    code_bundle: CodeBundle | None = None
    image_cache: str | None = None
    sys_path: str | None = None
    root_dir: pathlib.Path | None = None
    repository: Repository | None = None


CacheLookupScope = Literal["global", "project-domain"]


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run is started with, beside task and inputs: the RunSpec in Python's terms."""

    name: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    env_vars: dict[str, str] = field(default_factory=dict)
    interruptible: bool | None = None
    overwrite_cache: bool = False
    cache_lookup_scope: CacheLookupScope = "global"
    queue: str | None = None
    raw_data_path: str | None = None
    run_base_dir: str | None = None
    service_account: str | None = None
    max_action_concurrency: int | None = None
    run_start_time: datetime | None = None
    custom_context: dict[str, str] = field(default_factory=dict)
