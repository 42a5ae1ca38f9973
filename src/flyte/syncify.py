"""One bridge from synchronous to asynchronous code.

A syncified function is called plainly from synchronous code and as `.aio(...)` from asynchronous code:

    run = flyte.run(task, x=1)              # blocks
    run = await flyte.run.aio(task, x=1)    # does not

The blocking form runs the coroutine on a background event loop, so that it also works where an event
loop runs already (notebooks). This module knows nothing of flyte.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    import asyncio

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


def on_running_loop() -> bool:
    """True where blocking would block an event loop.

    A process that has not loaded asyncio has no loop, and this does not load it: that costs 50 ms.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Bridge:
    """Owns the background event loop and its thread. Both start at first use and end with the process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._idle: list[Bridge] = []

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The background loop, started if need be."""
        import asyncio

        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
                self._loop = loop
            return self._loop

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the background loop and wait for it.

        Raises:
            AssertionError: The caller is the background loop itself, which would wait for itself for ever.
        """
        import asyncio

        loop = self.loop
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise AssertionError("Deadlock detected: the blocking form was called on flyte's own loop. Use .aio(...).")
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, iterator: AsyncIterator[R]) -> Iterator[R]:
        """Drive an async iterator, one element at a time, on a background loop of its own.

        Whoever iterates blocks, and may do so on a background loop itself: a task that maps over another, which
        maps over a third. With a loop for each iteration nobody waits for a loop that waits for him.
        """
        try:
            driver = self._idle.pop()
        except IndexError:
            driver = Bridge(f"{self._name}-iteration")
        try:
            yield from driver._drive(iterator)
        finally:
            self._idle.append(driver)

    def _drive(self, iterator: AsyncIterator[R]) -> Iterator[R]:
        async def step() -> tuple[bool, Any]:
            try:
                return True, await iterator.__anext__()
            except StopAsyncIteration:
                return False, None

        async def close() -> None:
            aclose = getattr(iterator, "aclose", None)
            if aclose is not None:
                await aclose()

        try:
            while True:
                alive, value = self.run(step())
                if not alive:
                    return
                yield value
        finally:
            self.run(close())


bridge = Bridge("flyte-bridge")


class SyncFunction(Generic[P, R]):
    """A function with a blocking form (call it) and an asynchronous form (`.aio`)."""

    def __init__(self, function: Callable[P, Coroutine[Any, Any, R]], owner: Bridge = bridge) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._owner = owner

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._owner.run(self._function(*args, **kwargs))

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """The coroutine itself, for `await`."""
        return self._function(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> SyncFunction[..., R]:
        if instance is None and not hasattr(self._function, "__get__"):
            return self
        bound = self._function.__get__(instance, owner)
        return SyncFunction(bound, self._owner)


class SyncGenerator(Generic[P, R]):
    """An async generator with a blocking form (`for`) and an asynchronous form (`async for … in f.aio()`)."""

    def __init__(self, function: Callable[P, AsyncIterator[R]], owner: Bridge = bridge) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._owner = owner

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return self._owner.iterate(self._function(*args, **kwargs))

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """The async iterator itself, for `async for`."""
        return self._function(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> SyncGenerator[..., R]:
        bound = self._function.__get__(instance, owner)
        return SyncGenerator(bound, self._owner)


class BlockingFunction(Generic[P, R]):
    """A function that blocks (call it), with an asynchronous form (`.aio`) that does so in a thread."""

    def __init__(self, function: Callable[P, R]) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same, without blocking the loop."""
        import asyncio

        return await asyncio.to_thread(self._function, *args, **kwargs)


class Syncify:
    """The decorator. `syncify` is the instance that the whole SDK shares.

    Example:
        >>> @syncify
        ... async def answer() -> int:
        ...     return 42
        >>> answer()
        42
    """

    def __init__(self, name: str = "flyte_syncify") -> None:
        self.name = name

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> SyncFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, AsyncIterator[R]]) -> SyncGenerator[P, R]: ...
    def __call__(self, function: Any) -> Any:
        if isinstance(function, classmethod):
            inner = self(function.__func__)
            return _ClassBound(inner)
        if inspect.isasyncgenfunction(function):
            return SyncGenerator(function)
        if inspect.iscoroutinefunction(function):
            return SyncFunction(function)
        raise TypeError(f"@syncify takes an async function or generator, not {function!r}.")


class _ClassBound:
    """A syncified classmethod."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self._inner.__get__(owner if owner is not None else type(instance), None)


syncify = Syncify()

__all__ = ["Syncify", "syncify"]


def run_blocking(awaitable: Awaitable[R]) -> R:
    """Wait for any awaitable on the bridge."""

    async def wait() -> R:
        return await awaitable

    return bridge.run(wait())
