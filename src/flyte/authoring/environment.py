"""Task environments: groups of tasks with the same configuration."""

from __future__ import annotations

import logging
import pathlib
import re
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, ParamSpec, TypeVar, overload

from flyte.authoring.docstring import Docstring
from flyte.authoring.task import AsyncFunctionTaskTemplate, TaskTemplate
from flyte.errors import FeatureNotAvailable, InvalidName, InvalidType, InvalidValue
from flyte.model.cache import Cache, CacheRequest, as_cache
from flyte.model.documentation import Documentation, Link
from flyte.model.image import Image, default_image_uri
from flyte.model.interface import NativeInterface
from flyte.model.pod import PodTemplate
from flyte.model.resources import Resources
from flyte.model.retry import RetryStrategy
from flyte.model.reuse import ReusePolicy
from flyte.model.secret import Secret, SecretRequest, as_secrets
from flyte.model.task import MAX_INLINE_IO_BYTES
from flyte.model.timeout import TimeoutType
from flyte.model.trigger import Trigger

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("flyte")

_NAME = re.compile(r"^[a-z0-9]+([_-][a-z0-9]+)*$")
_LONGEST_DESCRIPTION = 255
_PACKAGE = str(pathlib.Path(__file__).parent.parent)

_loaded: list[weakref.ReferenceType[Environment]] = []


def loaded_environments() -> list[Environment]:
    """Every living environment of this process, in the order in which they were made."""
    return [env for env in (ref() for ref in _loaded) if env is not None]


def _declaring_file() -> pathlib.Path | None:
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE) and not name.startswith("<"):
            return pathlib.Path(name)
        frame = frame.f_back  # type: ignore[assignment]
    return None


@dataclass(eq=False)
class Environment:
    """What task and app environments have in common.

    Args:
        name: Lower-case words of letters and digits, joined by single '_' or '-'.
        depends_on: Environments whose tasks this one's tasks call; they are deployed with it.
        pod_template: A name, or a template, for pods.
        description: Shown beside the name; shortened to 255 characters.
        secrets: Names or `Secret` objects.
        env_vars: Set while a task runs.
        resources: What each task may use.
        interruptible: True when tasks may run on machines that can be taken away.
        image: `"auto"`, an address, or an `Image`.
        include: Further files for the code bundle, relative to the declaring file.
        service_account: The Kubernetes service account.
    """

    name: str
    depends_on: list[Environment] = field(default_factory=list)
    pod_template: str | PodTemplate | None = None
    description: str | None = None
    secrets: SecretRequest | None = None
    env_vars: dict[str, str] | None = None
    resources: Resources | None = None
    interruptible: bool = False
    image: str | Image | Literal["auto"] | None = "auto"
    include: tuple[str, ...] = ()
    service_account: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidName(
                f"Environment name {self.name!r} must be in snake_case or kebab-case format: lower-case letters and "
                "digits, joined by single '_' or '-'."
            )
        self._check_types()
        if self.description is not None and len(self.description) > _LONGEST_DESCRIPTION:
            self.description = self.description[:_LONGEST_DESCRIPTION]
        self.depends_on = list(self.depends_on)
        self.declared_in = _declaring_file()
        _loaded.append(weakref.ref(self))

    def _check_types(self) -> None:
        def must(ok: bool, name: str, wanted: str) -> None:
            if not ok:
                got = type(getattr(self, name)).__name__
                raise InvalidType(f"Environment {self.name!r}: {name} must be {wanted}, not {got}.")

        must(self.image is None or isinstance(self.image, str | Image), "image", "a str, a flyte.Image or None")
        if self.secrets is not None:
            must(
                isinstance(self.secrets, str | Secret | list | tuple),
                "secrets",
                "names or flyte.Secret objects",
            )
            as_secrets(self.secrets)
        must(isinstance(self.depends_on, list | tuple), "depends_on", "a list of environments")
        for dependency in self.depends_on:
            if not isinstance(dependency, Environment):
                raise InvalidType(
                    f"Environment {self.name!r}: depends_on holds {dependency!r}, which is not an environment."
                )
        must(self.resources is None or isinstance(self.resources, Resources), "resources", "a flyte.Resources")
        must(self.env_vars is None or isinstance(self.env_vars, dict), "env_vars", "a dict of str to str")
        for key, value in (self.env_vars or {}).items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise InvalidType(f"Environment {self.name!r}: env_vars[{key!r}] must be text, not {value!r}.")
        must(
            self.pod_template is None or isinstance(self.pod_template, str | PodTemplate),
            "pod_template", "a str or a flyte.PodTemplate",
        )  # fmt: skip
        must(self.service_account is None or isinstance(self.service_account, str), "service_account", "a str")
        must(not isinstance(self.include, str), "include", "a tuple of paths, not one str")
        self.include = tuple(self.include)

    def add_dependency(self, *env: Environment) -> None:
        """Declare that tasks of this environment call tasks of others.

        Raises:
            InvalidType: Not an environment.
            InvalidValue: The environment itself.
        """
        for dependency in env:
            if not isinstance(dependency, Environment):
                raise InvalidType(
                    f"Environment {self.name!r} cannot depend on {dependency!r}, which is not an environment."
                )
            if dependency is self:
                raise InvalidValue(f"Environment {self.name!r} cannot depend on itself.")
            if dependency not in self.depends_on:
                self.depends_on.append(dependency)

    def clone_with(self, name: str, **changes: Any) -> Any:
        """A new environment with the same settings under another name. Tasks are not copied.

        Raises:
            InvalidType: An unknown setting.
        """
        known = {f.name: f for f in fields(self) if f.init}
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise InvalidType(
                f"Unexpected keyword arguments: {unknown}. {type(self).__name__} has: {', '.join(known)}."
            )
        settings = {key: getattr(self, key) for key in known}
        settings["depends_on"] = list(self.depends_on)
        settings.update({key: value for key, value in changes.items() if value is not None})
        settings["name"] = name
        return type(self)(**settings)


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
        if self.reusable is not None and not isinstance(self.reusable, ReusePolicy):
            raise InvalidType(
                f"Environment {self.name!r}: reusable must be a flyte.ReusePolicy, not {self.reusable!r}."
            )
        if not isinstance(self.cache, str | Cache):
            raise InvalidType(
                f"Environment {self.name!r}: cache must be a behaviour or a flyte.Cache, not {self.cache!r}."
            )
        as_cache(self.cache)
        if self.reusable is not None and self.plugin_config is not None:
            raise InvalidValue(f"Environment {self.name!r} cannot be reusable and have a plugin_config.")

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
            InvalidValue, InvalidType: The function or a setting cannot be a task's; the sentence says why.
        """

        def decorate(func: Callable[..., Any]) -> AsyncFunctionTaskTemplate[..., Any]:
            return self._add(
                func,
                short_name=short_name or "",
                cache=cache if cache is not None else self.cache,
                retries=retries,
                timeout=timeout,
                docs=docs,
                pod_template=pod_template if pod_template is not None else self.pod_template,
                report=report,
                interruptible=interruptible if interruptible is not None else self.interruptible,
                max_inline_io_bytes=max_inline_io_bytes,
                queue=queue or self.queue,
                service_account=service_account or self.service_account,
                triggers=triggers if isinstance(triggers, tuple) else (triggers,),
                links=links if isinstance(links, tuple) else (links,),
                task_resolver=task_resolver,
                entrypoint=entrypoint,
                produces_artifacts=produces_artifacts,
            )

        if self.reusable is not None and (pod_template is not None or service_account is not None):
            raise InvalidValue(
                f"Environment {self.name!r} is reusable, so its workers are shared: set pod_template and "
                "service_account on the environment, not on a task."
            )
        return decorate if _func is None else decorate(_func)

    def _add(self, func: Callable[..., Any], **settings: Any) -> AsyncFunctionTaskTemplate[..., Any]:
        if not callable(func) or not hasattr(func, "__name__"):
            raise InvalidType(f"@{self.name}.task decorates functions, not {func!r}.")
        import inspect

        if isinstance(func, TaskTemplate):
            raise InvalidType(f"{func.name} is a task already; decorate the plain function.")
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            raise InvalidType(f"Task {func.__qualname__} is a generator. Return a list instead of yielding.")
        is_async = inspect.iscoroutinefunction(func)
        if self.reusable is not None and self.reusable.concurrency > 1 and not is_async:
            raise InvalidValue(
                f"Environment {self.name!r} runs {self.reusable.concurrency} actions at once in one worker, which only "
                f"asynchronous tasks can do: write `async def {func.__name__}`, or set concurrency=1."
            )
        interface = NativeInterface.from_callable(func, Docstring(callable_=func) if func.__doc__ else None)
        for name, (annotation, _) in interface.inputs.items():
            if name not in getattr(func, "__annotations__", {}):
                log.warning(
                    "Input %r of task %s.%s has no type hint (%s): its values will be pickled. Give it a type.",
                    name, self.name, func.__name__, annotation,
                )  # fmt: skip
        name = f"{self.name}.{func.__name__}"
        task = AsyncFunctionTaskTemplate(
            func=func,
            name=name,
            interface=interface,
            image=default_image_uri() if self.image == "auto" else self.image,
            resources=self.resources,
            reusable=self.reusable,
            env_vars=self.env_vars,
            secrets=self.secrets,
            parent_env=weakref.ref(self),
            parent_env_name=self.name,
            plugin_config=self.plugin_config,
            **{**settings, "short_name": settings["short_name"] or func.__name__[:63]},
        )
        self._tasks[name] = task
        return task

    @classmethod
    def from_task(
        cls, name: str, *tasks: TaskTemplate[..., Any], depends_on: list[Environment] | None = None
    ) -> TaskEnvironment:
        """An environment of tasks that were made without one. They must share one image.

        Raises:
            InvalidValue: A task belongs to an environment already, or the images differ.
        """
        if not tasks:
            raise InvalidValue(f"Environment {name!r} needs at least one task.")
        for task in tasks:
            if task.parent_env is not None:
                raise InvalidValue(f"Task {task.name} belongs to environment {task.parent_env_name!r} already.")
        if any(task.image != tasks[0].image for task in tasks):
            raise InvalidValue(f"The tasks of environment {name!r} must share one image.")
        env = cls(name=name, image=tasks[0].image, depends_on=list(depends_on or []))
        for task in tasks:
            if "." not in task.name:
                task.name = f"{name}.{task.name}"
            task.parent_env, task.parent_env_name = weakref.ref(env), name
            env._tasks[task.name] = task
        return env
