"""Task environments: groups of tasks with the same configuration."""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, overload

from flyte.authoring.checks import LONGEST_SHORT_NAME, as_links, as_triggers
from flyte.authoring.docstring import Docstring
from flyte.authoring.shared_settings import Environment, loaded_environments
from flyte.authoring.task import AsyncFunctionTaskTemplate, TaskTemplate, refuse_plugin
from flyte.errors import FeatureNotAvailable, InvalidType, InvalidValue
from flyte.model.cache import Cache, CacheRequest, as_cache
from flyte.model.documentation import Documentation, Link
from flyte.model.image import default_image_uri
from flyte.model.interface import NativeInterface
from flyte.model.pod import PodTemplate
from flyte.model.retry import RetryStrategy
from flyte.model.reuse import ReusePolicy
from flyte.model.task import MAX_INLINE_IO_BYTES
from flyte.model.timeout import TimeoutType
from flyte.model.trigger import Trigger, TriggerTime

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("flyte")

__all__ = ["Environment", "TaskEnvironment", "loaded_environments"]


@dataclass(eq=False)
class TaskEnvironment(Environment):
    """A group of tasks with one image, one set of resources and one policy.

    Beside the fields of `Environment`:

    Args:
        cache: The cache behaviour of tasks that do not say their own.
        reusable: Keep workers warm between actions.
        plugin_config: Selects another kind of task.
        queue: The queue of tasks that do not say their own.

    Example:
        >>> env = TaskEnvironment(name="my_env")
        >>> @env.task
        ... async def greet(name: str) -> str:
        ...     return f"Hello, {name}!"
        >>> greet.name
        'my_env.greet'
    """

    cache: CacheRequest = "disable"
    reusable: ReusePolicy | None = None
    plugin_config: Any = None
    queue: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._tasks: dict[str, TaskTemplate[..., Any]] = {}
        if not isinstance(self.cache, str | Cache):
            raise InvalidType(f"{self._owner}: cache must be a behaviour or a flyte.Cache, not {self.cache!r}.")
        as_cache(self.cache)
        if self.reusable is not None and self.plugin_config is not None:
            raise InvalidValue(f"{self._owner} cannot be reusable and have a plugin_config.")
        refuse_plugin(self._owner, self.plugin_config)

    @property
    def tasks(self) -> dict[str, TaskTemplate[..., Any]]:
        """Full name → task, in the order of declaration."""
        return dict(self._tasks)

    @property
    def sandbox(self) -> Any:
        """Sandboxed orchestrators; not built yet."""
        raise FeatureNotAvailable("flyte.sandbox is not available yet; see docs/compatibility.md.")

    @overload
    def task(self, _func: Callable[P, R]) -> AsyncFunctionTaskTemplate[P, R]: ...
    @overload
    def task(
        self,
        _func: None = None,
        *,
        short_name: str | None = None,
        cache: CacheRequest | None = None,
        retries: int | RetryStrategy = 0,
        timeout: TimeoutType = 0,
        docs: Documentation | None = None,
        pod_template: str | PodTemplate | None = None,
        report: bool = False,
        interruptible: bool | None = None,
        max_inline_io_bytes: int = MAX_INLINE_IO_BYTES,
        queue: str | None = None,
        service_account: str | None = None,
        triggers: tuple[Trigger, ...] | Trigger = (),
        links: tuple[Link, ...] | Link = (),
        task_resolver: Any | None = None,
        entrypoint: bool = False,
        produces_artifacts: bool = False,
    ) -> Callable[[Callable[P, R]], AsyncFunctionTaskTemplate[P, R]]: ...
    def task(
        self,
        _func: Callable[..., Any] | None = None,
        *,
        short_name: str | None = None,
        cache: CacheRequest | None = None,
        retries: int | RetryStrategy = 0,
        timeout: TimeoutType = 0,
        docs: Documentation | None = None,
        pod_template: str | PodTemplate | None = None,
        report: bool = False,
        interruptible: bool | None = None,
        max_inline_io_bytes: int = MAX_INLINE_IO_BYTES,
        queue: str | None = None,
        service_account: str | None = None,
        triggers: tuple[Trigger, ...] | Trigger = (),
        links: tuple[Link, ...] | Link = (),
        task_resolver: Any | None = None,
        entrypoint: bool = False,
        produces_artifacts: bool = False,
    ) -> Any:
        """Make a function a task of this environment, as `@env.task` or `@env.task(...)`.

        Args:
            short_name: Shown in place of the function's name; at most 63 characters.
            cache: Overrides the environment's.
            retries: Further attempts after a failure of the task's own.
            timeout: Seconds, a timedelta, or a `Timeout`; enforced in every mode.
            docs: Overrides the docstring's summary.
            pod_template: Overrides the environment's; not in a reusable environment.
            report: The task writes a report.
            interruptible: Overrides the environment's.
            max_inline_io_bytes: How large serialised inputs or outputs may be.
            queue: Overrides the environment's.
            service_account: Overrides the environment's; not in a reusable environment.
            triggers: When the deployed task runs by itself.
            links: Shown beside each action of the task.
            task_resolver: How a task process finds the task, in place of module and variable.
            entrypoint: Marks the task as one to be started by people.
            produces_artifacts: The task's outputs are artifacts.

        Raises:
            InvalidType: What is decorated is not a function, or a setting has the wrong type.
            InvalidValue: The function's signature or a setting cannot be a task's.
            FeatureNotAvailable: A `task_resolver` is given.
        """

        if self.reusable is not None and (pod_template is not None or service_account is not None):
            raise InvalidValue(
                f"{self._owner} is reusable, so its workers are shared: set pod_template and service_account on the "
                "environment, not on a task."
            )
        if task_resolver is not None:
            raise FeatureNotAvailable(
                f"{self._owner}: a task_resolver of one's own is not available yet (docs/compatibility.md). Tasks are "
                "found by module and variable."
            )

        def decorate(func: Callable[..., Any]) -> AsyncFunctionTaskTemplate[..., Any]:
            interface = self._interface(func)
            name = f"{self.name}.{func.__name__}"
            task: AsyncFunctionTaskTemplate[..., Any] = AsyncFunctionTaskTemplate(
                func=func,
                name=name,
                interface=interface,
                short_name=short_name or func.__name__[:LONGEST_SHORT_NAME],
                image=default_image_uri() if self.image == "auto" else self.image,
                resources=self.resources,
                cache=cache if cache is not None else self.cache,
                interruptible=interruptible if interruptible is not None else self.interruptible,
                retries=retries,
                reusable=self.reusable,
                docs=docs,
                env_vars=self.env_vars,
                secrets=self.secrets,
                service_account=service_account or self.service_account,
                timeout=timeout,
                pod_template=pod_template if pod_template is not None else self.pod_template,
                report=report,
                queue=queue or self.queue,
                entrypoint=entrypoint,
                produces_artifacts=produces_artifacts,
                parent_env=weakref.ref(self),
                parent_env_name=self.name,
                max_inline_io_bytes=max_inline_io_bytes,
                triggers=as_triggers(f"Task {name}", triggers),
                links=as_links(f"Task {name}", links),
                plugin_config=self.plugin_config,
                _environment=self,
            )
            self._tasks[name] = task
            return task

        return decorate if _func is None else decorate(_func)

    def _interface(self, func: Callable[..., Any]) -> NativeInterface:
        """The inputs and outputs of a function that is to be a task.

        Raises:
            InvalidType: It is something else than a plain or asynchronous function.
            InvalidValue: Its signature cannot be a task's.
        """
        if isinstance(func, TaskTemplate):
            raise InvalidType(f"{func.name} is a task already; decorate the plain function.")
        if not callable(func) or isinstance(func, type) or not hasattr(func, "__name__"):
            raise InvalidType(f"A task of environment {self.name!r} is made of a function, not of {func!r}.")
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            raise InvalidType(f"Task {func.__qualname__} is a generator. Return a list instead of yielding.")
        interface = NativeInterface.from_callable(func, Docstring(callable_=func) if func.__doc__ else None)
        parameters = inspect.signature(func).parameters
        for name, (_, default) in interface.inputs.items():
            if default is TriggerTime:
                raise InvalidValue(
                    f"Input {name!r} of {self.name}.{func.__name__} has TriggerTime as its default. Bind it in the "
                    f"trigger: flyte.Trigger(…, inputs={{{name!r}: flyte.TriggerTime}})."
                )
            if parameters[name].annotation is inspect.Parameter.empty:
                log.warning(
                    "Input %r of task %s.%s has no type hint: its values will be pickled. Give it a type.",
                    name, self.name, func.__name__,
                )  # fmt: skip
        return interface

    @classmethod
    def from_task(
        cls, name: str, *tasks: TaskTemplate[..., Any], depends_on: list[Environment] | None = None
    ) -> TaskEnvironment:
        """An environment of tasks that were made without one. They must share one image.

        Raises:
            InvalidValue: A task belongs to an environment already, or the images differ.
        """
        for task in tasks:
            if task.parent_env is not None:
                raise InvalidValue(f"Task {task.name} belongs to environment {task.parent_env_name!r} already.")
        if any(task.image != tasks[0].image for task in tasks):
            raise InvalidValue(f"The tasks of environment {name!r} must share one image.")
        image = tasks[0].image if tasks else "auto"
        env = cls(name=name, image=image, depends_on=list(depends_on or []))
        for task in tasks:
            if "." not in task.name:
                task.name = f"{name}.{task.name}"
            task.parent_env, task.parent_env_name, task._environment = weakref.ref(env), name, env
            env._tasks[task.name] = task
        return env
