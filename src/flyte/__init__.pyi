"""What type checkers see of `flyte`. Its names are those of the table in `surface.py`; a test compares them."""

import functools
import logging
import pathlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from datetime import datetime
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, overload

from flyte import config as config
from flyte import errors as errors
from flyte import io as io
from flyte import models as models
from flyte import remote as remote
from flyte import storage as storage
from flyte import syncify as syncify
from flyte import types as types
from flyte.authoring.context import ctx as ctx
from flyte.authoring.context import custom_context as custom_context
from flyte.authoring.context import get_custom_context as get_custom_context
from flyte.authoring.context import group as group
from flyte.authoring.environment import Environment as Environment
from flyte.authoring.environment import TaskEnvironment as TaskEnvironment
from flyte.authoring.task import AsyncFunctionTaskTemplate as AsyncFunctionTaskTemplate
from flyte.authoring.task import TaskTemplate as TaskTemplate
from flyte.client.init import current_domain as current_domain
from flyte.client.init import current_project as current_project
from flyte.client.init import init as init
from flyte.client.init import init_from_config as init_from_config
from flyte.client.init import is_control_plane_available as is_control_plane_available
from flyte.client.logs import system_logger as system_logger
from flyte.client.version import version as version
from flyte.launch.deploying import deploy as deploy
from flyte.launch.running import Runner
from flyte.model.automation import Cron as Cron
from flyte.model.automation import FixedRate as FixedRate
from flyte.model.automation import OnArtifact as OnArtifact
from flyte.model.cache import Cache as Cache
from flyte.model.cache import CachePolicy as CachePolicy
from flyte.model.cache import CacheRequest as CacheRequest
from flyte.model.device import AMD_GPU as AMD_GPU
from flyte.model.device import APPLE_SILICON as APPLE_SILICON
from flyte.model.device import GPU as GPU
from flyte.model.device import HABANA_GAUDI as HABANA_GAUDI
from flyte.model.device import TPU as TPU
from flyte.model.device import Device as Device
from flyte.model.device import DeviceClass as DeviceClass
from flyte.model.device import Neuron as Neuron
from flyte.model.documentation import Documentation as Documentation
from flyte.model.documentation import Link as Link
from flyte.model.image import Image as Image
from flyte.model.pod import PodTemplate as PodTemplate
from flyte.model.resources import Resources as Resources
from flyte.model.retry import Backoff as Backoff
from flyte.model.retry import RetryStrategy as RetryStrategy
from flyte.model.reuse import ReusePolicy as ReusePolicy
from flyte.model.secret import Secret as Secret
from flyte.model.secret import SecretRequest as SecretRequest
from flyte.model.timeout import Timeout as Timeout
from flyte.model.timeout import TimeoutType as TimeoutType
from flyte.model.trigger import Trigger as Trigger
from flyte.model.trigger import TriggeredArtifact as TriggeredArtifact
from flyte.model.trigger import TriggeredPartition as TriggeredPartition
from flyte.model.trigger import TriggerTime as TriggerTime
from flyte.remote.run import Run
from flyte.remote.task import LazyEntity, TaskDetails

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

__version__: str
logger: logging.Logger

class _Run(Protocol):
    @overload
    def __call__(self, task: TaskTemplate[P, Any], *args: P.args, **kwargs: P.kwargs) -> Run:
        """Run a task and give back its run.

        In local mode (no backend configured) the task runs in this process, and its failure is raised here. With
        a backend the run is started, and its failure is raised by `outputs()`.
        """
    @overload
    def __call__(self, task: str | LazyEntity | TaskDetails, **inputs: Any) -> Run:
        """Run a deployed task, named `"environment.task"` or obtained from `flyte.remote.Task.get`."""
    @overload
    def aio(self, task: TaskTemplate[P, Any], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Run]: ...
    @overload
    def aio(self, task: str | LazyEntity | TaskDetails, **inputs: Any) -> Coroutine[Any, Any, Run]: ...

run: _Run

class _Map(Protocol):
    """Run a task once for each element of the zipped iterables; results come in input order."""

    @overload
    def __call__(
        self,
        func: TaskTemplate[..., Coroutine[Any, Any, R]],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: Literal[False],
    ) -> Iterator[R]: ...
    @overload
    def __call__(
        self,
        func: TaskTemplate[..., Coroutine[Any, Any, R]],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> Iterator[R | Exception]: ...
    @overload
    def __call__(
        self,
        func: TaskTemplate[..., R] | functools.partial[R],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: Literal[False],
    ) -> Iterator[R]: ...
    @overload
    def __call__(
        self,
        func: TaskTemplate[..., R] | functools.partial[R],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> Iterator[R | Exception]: ...
    def aio(
        self,
        func: TaskTemplate[..., Any] | functools.partial[Any],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> AsyncIterator[Any]: ...

map: _Map

def with_runcontext(
    mode: Literal["local", "remote"] | None = None,
    *,
    name: str | None = None,
    service_account: str | None = None,
    version: str | None = None,
    copy_style: Literal["loaded_modules", "all", "none"] = "loaded_modules",
    dry_run: bool = False,
    copy_bundle_to: pathlib.Path | None = None,
    interactive_mode: bool | None = None,
    raw_data_path: str | None = None,
    run_base_dir: str | None = None,
    run_start_time: datetime | None = None,
    overwrite_cache: bool = False,
    project: str | None = None,
    domain: str | None = None,
    env_vars: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    interruptible: bool | None = None,
    log_level: int | None = None,
    log_format: str = "console",
    user_log_level: int | None = None,
    reset_root_logger: bool = False,
    disable_run_cache: bool = False,
    queue: str | None = None,
    max_action_concurrency: int | None = None,
    custom_context: dict[str, str] | None = None,
    cache_lookup_scope: Literal["global", "project-domain"] = "global",
    preserve_original_types: bool = False,
    debug: bool = False,
) -> Runner:
    """A runner with explicit parameters: `flyte.with_runcontext(mode="local").run(task, …)`."""
