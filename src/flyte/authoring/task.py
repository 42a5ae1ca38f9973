"""The object that a decorated function becomes, and what calling it means."""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Self, TypeVar, cast, overload

from flyte.authoring.checks import LONGEST_SHORT_NAME, as_links, as_triggers, check_settings
from flyte.authoring.controller import running
from flyte.errors import FeatureNotAvailable, FeatureNotAvailableAttribute, InvalidType, InvalidValue
from flyte.lazy import lazy
from flyte.model.cache import Cache, CacheRequest, FunctionBodyPolicy, VersionParameters, as_cache
from flyte.model.documentation import Documentation, Link
from flyte.model.image import Image
from flyte.model.interface import NativeInterface
from flyte.model.pod import PodTemplate
from flyte.model.resources import Resources
from flyte.model.retry import RetryStrategy, as_retry_strategy
from flyte.model.reuse import ReusePolicy
from flyte.model.secret import SecretRequest
from flyte.model.task import MAX_INLINE_IO_BYTES
from flyte.model.timeout import TimeoutType, as_timeout
from flyte.model.trigger import Trigger
from flyte.syncify import on_running_loop

if TYPE_CHECKING:
    from flyte.authoring.environment import TaskEnvironment

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

log = logging.getLogger("flyte")

_FIXED_BY_NAME = ("name", "image", "docs", "interface")
_RUNTIME_RESTRICTED = ("resources", "env_vars", "secrets", "service_account")


def refuse_plugin(owner: str, plugin_config: object) -> None:
    """Plug-ins select another kind of task by the type of their configuration, and none can be registered yet.

    Raises:
        FeatureNotAvailable: A configuration is given.
    """
    if plugin_config is not None:
        kind = type(plugin_config)
        raise FeatureNotAvailable(
            f"{owner}: no task plug-in is registered for {kind.__module__}.{kind.__qualname__}; plug-ins are not "
            "available yet (docs/compatibility.md)."
        )


@dataclass(kw_only=True, repr=False)
class TaskTemplate(Generic[P, R_co]):
    """Base of all kinds of tasks: what a task is, whatever runs it.

    Users get one from `@env.task` and call it; every field can be read. Inside a task a call starts a child
    action, outside it is a plain function call. The call of a synchronous task blocks until the child is over; on a
    running event loop, which must not be blocked, it is awaited instead, and starts the child then.
    """

    name: str
    interface: NativeInterface
    short_name: str = ""
    task_type: str = "python"
    task_type_version: int = 0
    image: str | Image | None = "auto"
    resources: Resources | None = None
    cache: CacheRequest = "disable"
    interruptible: bool = False
    retries: int | RetryStrategy = 0
    reusable: ReusePolicy | None = None
    docs: Documentation | None = None
    env_vars: dict[str, str] | None = None
    secrets: SecretRequest | None = None
    service_account: str | None = None
    timeout: TimeoutType | None = None
    pod_template: str | PodTemplate | None = None
    report: bool = False
    queue: str | None = None
    debuggable: bool = False
    entrypoint: bool = False
    produces_artifacts: bool = False
    parent_env: weakref.ReferenceType[TaskEnvironment] | None = field(default=None)
    parent_env_name: str | None = None
    max_inline_io_bytes: int = MAX_INLINE_IO_BYTES
    triggers: tuple[Trigger, ...] = ()
    links: tuple[Link, ...] = ()
    _call_as_synchronous: bool = False
    # Holds the environment for as long as one of its tasks lives; `parent_env` alone would not.
    _environment: TaskEnvironment | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        owner = f"Task {self.name}"
        check_settings(owner, {f.name: getattr(self, f.name) for f in fields(self)})
        self.cache = as_cache(self.cache)
        self.retries = as_retry_strategy(self.retries)
        as_timeout(self.timeout)
        self.triggers = as_triggers(owner, self.triggers)
        self.links = as_links(owner, self.links)
        if not self.short_name:
            self.short_name = self.name[:LONGEST_SHORT_NAME]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, interface={self.interface!r})"

    @property
    def native_interface(self) -> NativeInterface:
        """Inputs and outputs in Python's terms."""
        return self.interface

    @property
    def source_file(self) -> str | None:
        """The file that defines the task; None where there is none."""
        return None

    @property
    def json_schema(self) -> dict[str, Any]:
        """The inputs as a JSON schema; not built yet.

        Raises:
            FeatureNotAvailable: Always, in this version.
        """
        raise FeatureNotAvailableAttribute(
            f"task.json_schema of {self.name} is not available yet (docs/compatibility.md)."
        )

    def cache_version(self, code_bundle: Any = None) -> str:
        """The version that results are kept under; set for tasks without a cache too, for recovery."""
        del code_bundle
        return as_cache(self.cache).version_override or ""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call what is behind the task, past everything that flyte does."""
        raise InvalidType(f"Task {self.name} has no function to call.")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        state = running()
        if state is None:
            return self.forward(*args, **kwargs)
        if not self._call_as_synchronous:
            return cast(R_co, state.controller.call_async(self, args, kwargs))
        if on_running_loop():
            return cast(R_co, lazy("flyte.authoring.pending").PendingCall(self, args, kwargs, depth=2))
        return cast(R_co, state.controller.call(self, args, kwargs))

    @overload
    def aio(
        self: TaskTemplate[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def aio(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...
    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """Call the task from asynchronous code, whichever kind it is.

        Example:
            >>> @env.task
            ... def square(x: int) -> int:
            ...     return x * x
            >>> @env.task
            ... async def squares() -> list[int]:
            ...     return list(await asyncio.gather(*[square.aio(x) for x in range(3)]))
            >>> print(flyte.run(squares))
            [0, 1, 4]
        """
        state = running()
        if state is not None:
            return await state.controller.call_async(self, args, kwargs)
        log.warning("Task %s was called with .aio() outside a task: it runs as a plain function.", self.name)
        result = self.forward(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    def override(
        self,
        *,
        short_name: str | None = None,
        resources: Resources | None = None,
        cache: CacheRequest | None = None,
        retries: int | RetryStrategy = 0,
        timeout: TimeoutType | None = None,
        reusable: ReusePolicy | Literal["off"] | None = None,
        env_vars: dict[str, str] | None = None,
        secrets: SecretRequest | None = None,
        service_account: str | None = None,
        max_inline_io_bytes: int | None = None,
        pod_template: str | PodTemplate | None = None,
        queue: str | None = None,
        interruptible: bool | None = None,
        entrypoint: bool | None = None,
        produces_artifacts: bool | None = None,
        links: tuple[Link, ...] = (),
        plugin_config: Any = None,
        **kwargs: Any,
    ) -> Self:
        """A copy of the task with some settings changed, for one call.

        A value of None, 0 or () keeps the task's own; `retries=RetryStrategy(0)` is how to have none.

        Raises:
            InvalidValue: A setting that is fixed (`name`, `image`, `docs`, `interface`), or one that a
                reusable environment does not allow unless `reusable="off"` is given too.
            InvalidType: An unknown setting.

        Example:
            >>> @env.task(retries=3)
            ... async def train(rows: int) -> float:
            ...     return 0.9
            >>> big = train.override(resources=flyte.Resources(memory="8Gi"))
            >>> big.resources.memory, big.retries.count
            ('8Gi', 3)
        """
        for name in _FIXED_BY_NAME:
            if name in kwargs:
                raise InvalidValue(
                    f"{name} of task {self.name} cannot be overridden; declare another task or environment."
                )
        known = {f.name for f in fields(self)}
        unknown = sorted(set(kwargs) - known)
        if unknown:
            raise InvalidType(f"override() of task {self.name} got unknown settings: {', '.join(unknown)}.")
        changes: dict[str, Any] = {
            "short_name": short_name,
            "resources": resources,
            "cache": cache,
            "retries": retries,
            "timeout": timeout,
            "env_vars": env_vars,
            "secrets": secrets,
            "service_account": service_account,
            "max_inline_io_bytes": max_inline_io_bytes,
            "pod_template": pod_template,
            "queue": queue,
            "interruptible": interruptible,
            "entrypoint": entrypoint,
            "produces_artifacts": produces_artifacts,
            "links": links,
            **kwargs,
        }
        refuse_plugin(f"Task {self.name}", plugin_config)
        kept = {name: value for name, value in changes.items() if value or value is False}
        stays_reusable = self.reusable is not None and reusable != "off"
        if stays_reusable:
            refused = [name for name in _RUNTIME_RESTRICTED if name in kept]
            if refused:
                raise InvalidValue(
                    f"Task {self.name} runs in a reusable environment, whose workers are shared: {', '.join(refused)} "
                    'cannot be overridden, unless reusable="off" is given in the same call.'
                )
        if reusable == "off":
            kept["reusable"] = None
        elif reusable:
            kept["reusable"] = reusable
        settings: dict[str, Any] = kept
        return replace(self, **settings)


@dataclass(kw_only=True, repr=False)
class AsyncFunctionTaskTemplate(TaskTemplate[P, R_co]):
    """A task made of a Python function, synchronous or not."""

    func: Callable[P, R_co]
    debuggable: bool = True
    task_resolver: Any = None
    plugin_config: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._call_as_synchronous = not inspect.iscoroutinefunction(self.func)
        if self.reusable is not None and self.reusable.concurrency > 1 and self._call_as_synchronous:
            raise InvalidValue(
                f"Task {self.name} is synchronous, and its reusable environment runs {self.reusable.concurrency} "
                f"actions at once in one worker: write `async def {self.func.__name__}`, or set concurrency=1."
            )
        self.__name__ = self.func.__name__
        self.__doc__ = self.func.__doc__
        self.__wrapped__ = self.func

    @property
    def source_file(self) -> str | None:
        """The file that defines the function."""
        return self.func.__code__.co_filename if hasattr(self.func, "__code__") else None

    @property
    def is_async(self) -> bool:
        """True for an `async def`."""
        return not self._call_as_synchronous

    def cache_version(self, code_bundle: Any = None) -> str:
        """See `TaskTemplate.cache_version`. It follows from the function's body unless the cache says otherwise."""
        parameters = VersionParameters(func=self.func, image=self.image, code_bundle=code_bundle)
        cache = as_cache(self.cache)
        if not cache.is_enabled():
            cache = Cache("auto", policies=[FunctionBodyPolicy()])
        return cache.get_version(parameters)

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself."""
        return self.func(*args, **kwargs)

    def execute(self, *args: P.args, **kwargs: P.kwargs) -> R_co | Coroutine[Any, Any, R_co]:
        """Run the function as the body of an action."""
        return self.func(*args, **kwargs)
