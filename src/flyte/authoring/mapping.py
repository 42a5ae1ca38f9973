"""`flyte.map`: one task over many values, really at once, in every mode."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from flyte.authoring.context import group
from flyte.authoring.controller import running
from flyte.authoring.task import TaskTemplate
from flyte.errors import InvalidType, InvalidValue
from flyte.syncify import bridge

if TYPE_CHECKING:
    import asyncio

R = TypeVar("R")
T = TypeVar("T")
Given_co = TypeVar("Given_co", covariant=True)


class Partial(Protocol[Given_co]):
    """A `functools.partial`, as a type checker should see it: what it returns does not vary with what is wanted."""

    @property
    def func(self) -> Callable[..., Given_co]:
        """What is called."""
        ...

    @property
    def args(self) -> tuple[Any, ...]:
        """The first arguments."""
        ...

    @property
    def keywords(self) -> dict[str, Any]:
        """Arguments by name."""
        ...


Async = TaskTemplate[..., Coroutine[Any, Any, T]] | Partial[Coroutine[Any, Any, T]]
Sync = TaskTemplate[..., R] | Partial[R]


@dataclass(frozen=True)
class _Plan:
    """A call of `flyte.map` that was found to be possible.

    Args:
        rows: The arguments that differ, one row a child.
        names: Which inputs they are for; empty for "by position".
        bound: The arguments that are the same for all.
    """

    task: TaskTemplate[..., Any]
    rows: list[tuple[Any, ...]]
    names: tuple[str, ...]
    bound: dict[str, Any]

    def arguments(self, row: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What a child is called with."""
        if self.names:
            return (), {**self.bound, **dict(zip(self.names, row, strict=True))}
        return row, self.bound


def _planned(func: Any, iterables: tuple[Iterable[Any], ...], concurrency: int) -> _Plan:
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 0:
        raise InvalidValue(f"flyte.map(concurrency=…) must be zero (no bound) or more, got {concurrency!r}.")
    for iterable in iterables:
        if not isinstance(iterable, Iterable):
            raise InvalidType(f"flyte.map takes iterables of values, not {iterable!r}.")
    if isinstance(func, TaskTemplate):
        _check_count(func, len(iterables))
        return _Plan(func, list(zip(*iterables, strict=False)), (), {})
    if isinstance(func, functools.partial) and isinstance(func.func, TaskTemplate):
        return _planned_partial(func, iterables)
    raise InvalidType(f"flyte.map takes a task or a functools.partial of one, not {func!r}.")


def _check_count(task: TaskTemplate[..., Any], given: int) -> None:
    names = list(task.interface.inputs)
    if given > len(names):
        raise InvalidType(f"flyte.map was given {given} iterables for {task.name}, which has {len(names)} inputs.")
    missing = [name for name in task.interface.required_inputs() if name not in names[:given]]
    if given and missing:
        raise InvalidType(f"flyte.map was given {given} iterables for {task.name}, and none for {', '.join(missing)}.")


def _planned_partial(func: functools.partial[Any], iterables: tuple[Iterable[Any], ...]) -> _Plan:
    task: TaskTemplate[..., Any] = func.func  # type: ignore[assignment]  # seen by the caller
    names = list(task.interface.inputs)
    unknown = [name for name in func.keywords if name not in names]
    if unknown or len(func.args) > len(names):
        raise InvalidType(f"The partial of {task.name} binds more than its inputs, which are {', '.join(names)}.")
    bound = {**dict(zip(names, func.args, strict=False)), **func.keywords}
    free = [name for name in names if name not in bound]
    if len(free) != 1:
        raise InvalidType(
            f"flyte.map over a partial of {task.name} needs exactly one input left to fill in, and "
            f"{len(free)} are{': ' if free else ''}{', '.join(free)}."
        )
    if len(iterables) > 1:
        raise InvalidType(f"flyte.map over a partial of {task.name} takes one iterable, for {free[0]!r}.")
    return _Plan(task, list(zip(*iterables, strict=False)), (free[0],), bound)


class _Map:
    """Run a task once for each element of the zipped iterables, all at once; results come in input order.

    A failed element is yielded as its exception. With `return_exceptions=False` the first failure, in time, is
    raised instead, and the others are aborted. Leaving the loop early aborts what still runs. The iterables are read
    to their end before the first child starts; the shortest wins. Outside a task each child is a plain call.

    Args:
        func: A task, or `functools.partial(task, …)` with one input left open.
        args: Iterables, zipped.
        group_name: The children's group is `<task name>_<group_name or "map">`.
        concurrency: How many run at once; 0 for no bound.
        return_exceptions: Yield failures instead of raising the first.

    Raises:
        InvalidType: `func` is not a task, or more or fewer inputs are open than there are iterables.
        InvalidValue: `concurrency` is negative.

    Example:
        >>> @env.task
        ... def square(x: int) -> int:
        ...     return x * x
        >>> list(flyte.map(square, [1, 2, 3]))
        [1, 4, 9]
    """

    @overload
    def __call__(
        self,
        func: Async[T],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: Literal[False],
    ) -> Iterator[T]: ...
    @overload
    def __call__(
        self,
        func: Async[T],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> Iterator[T | Exception]: ...
    @overload
    def __call__(
        self,
        func: Sync[R],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: Literal[False],
    ) -> Iterator[R]: ...
    @overload
    def __call__(
        self,
        func: Sync[R],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> Iterator[R | Exception]: ...
    def __call__(
        self,
        func: Any,
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> Iterator[Any]:
        plan = _planned(func, args, concurrency)
        if running() is None and plan.task._call_as_synchronous:
            return _plain_calls(plan, return_exceptions)
        return bridge.iterate(_results(plan, group_name, concurrency, return_exceptions))

    @overload
    def aio(
        self,
        func: Async[T],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: Literal[False],
    ) -> AsyncIterator[T]: ...
    @overload
    def aio(
        self,
        func: Async[T],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> AsyncIterator[T | Exception]: ...
    @overload
    def aio(
        self,
        func: Sync[R],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: Literal[False],
    ) -> AsyncIterator[R]: ...
    @overload
    def aio(
        self,
        func: Sync[R],
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> AsyncIterator[R | Exception]: ...
    def aio(
        self,
        func: Any,
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> AsyncIterator[Any]:
        """The asynchronous form: `async for result in flyte.map.aio(task, values)`."""
        return _results(_planned(func, args, concurrency), group_name, concurrency, return_exceptions)


def _plain_calls(plan: _Plan, return_exceptions: bool) -> Iterator[Any]:
    for row in plan.rows:
        args, kwargs = plan.arguments(row)
        try:
            yield plan.task(*args, **kwargs)
        except Exception as e:
            if not return_exceptions:
                raise
            yield e


async def _results(
    plan: _Plan, group_name: str | None, concurrency: int, return_exceptions: bool
) -> AsyncIterator[Any]:
    import asyncio

    task = plan.task
    call: Callable[..., Any] = task.aio if running() is not None else _plain(task)
    gate = asyncio.Semaphore(concurrency) if concurrency else nullcontext()

    async def one(row: tuple[Any, ...]) -> Any:
        args, kwargs = plan.arguments(row)
        async with gate:
            return await call(*args, **kwargs)

    with group(f"{task.name}_{group_name or 'map'}"):
        children = [asyncio.create_task(one(row)) for row in plan.rows]
    failed = asyncio.get_running_loop().create_future()
    if not return_exceptions:
        for child in children:
            child.add_done_callback(functools.partial(_note_failure, failed))
    try:
        for child in children:
            await asyncio.wait({child, failed}, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                raise failed.result()
            error = child.exception()
            yield child.result() if error is None else error
    finally:
        for child in children:
            child.cancel()
        await asyncio.gather(*children, return_exceptions=True)


def _plain(task: TaskTemplate[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        result = task.forward(*args, **kwargs)
        return await result if isinstance(result, Coroutine) else result

    return call


def _note_failure(failed: asyncio.Future[BaseException], child: asyncio.Task[Any]) -> None:
    if not child.cancelled() and not failed.done() and (error := child.exception()) is not None:
        failed.set_result(error)


map = _Map()
