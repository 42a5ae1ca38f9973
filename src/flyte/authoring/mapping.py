"""`flyte.map`: one task over many values, really at once, in every mode."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from flyte.authoring.context import group
from flyte.authoring.task import TaskTemplate
from flyte.errors import InvalidType, InvalidValue


def _unpack(func: Any) -> tuple[TaskTemplate[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The task behind `func`, with what a partial has bound already."""
    if isinstance(func, TaskTemplate):
        return func, (), {}
    if isinstance(func, functools.partial) and isinstance(func.func, TaskTemplate):
        task = func.func
        bound = task.interface.inputs.keys() - set(func.keywords)
        free = len(bound) - len(func.args)
        if free != 1:
            raise InvalidType(
                f"flyte.map over a partial of {task.name} needs exactly one input left to fill in; {max(free, 0)} are."
            )
        return task, func.args, dict(func.keywords)
    raise InvalidType(f"flyte.map takes a task or a functools.partial of one, not {func!r}.")


class _Map:
    """Run a task once for each element of the zipped iterables; results come in input order.

    A failed element is yielded as its exception unless `return_exceptions=False`, which raises the first
    failure and cancels the rest. Leaving the loop early aborts what still runs.

    Args:
        func: A task, or `functools.partial(task, …)` with one input left open.
        args: Iterables, zipped; the shortest wins.
        group_name: The children's group is `<task name>_<group_name or "map">`.
        concurrency: How many run at once; 0 for no bound.
        return_exceptions: Yield failures instead of raising the first.

    Raises:
        InvalidType: `func` is not a task, or more or fewer than one input is open.
        InvalidValue: `concurrency` is negative.

    Example:
        >>> list(flyte.map(square, [1, 2, 3]))  # doctest: +SKIP
        [1, 4, 9]
    """

    def __call__(
        self,
        func: Any,
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> Iterator[Any]:
        from flyte.authoring.controller import running
        from flyte.syncify import bridge

        task, _, _ = _unpack(func)
        if running() is None and not task._call_as_synchronous:
            # Outside a task there is nothing to be at once with: async functions need a loop of their own.
            return bridge.iterate(self.aio(func, *args, concurrency=concurrency, return_exceptions=return_exceptions))
        if running() is None:
            return self._plain(func, args, return_exceptions)
        return bridge.iterate(
            self.aio(
                func,
                *args,
                group_name=group_name,
                concurrency=concurrency,
                return_exceptions=return_exceptions,
            )
        )

    @staticmethod
    def _plain(func: Any, args: tuple[Iterable[Any], ...], return_exceptions: bool) -> Iterator[Any]:
        for values in zip(*args, strict=False):
            try:
                yield func(*values)
            except Exception as e:
                if not return_exceptions:
                    raise
                yield e

    async def aio(
        self,
        func: Any,
        *args: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> AsyncIterator[Any]:
        """The asynchronous form: `async for result in flyte.map.aio(task, values)`."""
        import asyncio

        task, bound_args, bound_kwargs = _unpack(func)
        if concurrency < 0:
            raise InvalidValue(f"flyte.map(concurrency=…) must be zero or more, got {concurrency}.")
        gate = asyncio.Semaphore(concurrency) if concurrency else None

        async def one(values: tuple[Any, ...]) -> Any:
            if gate is None:
                return await task.aio(*bound_args, *values, **bound_kwargs)
            async with gate:
                return await task.aio(*bound_args, *values, **bound_kwargs)

        with group(f"{task.name}_{group_name or 'map'}"):
            children = [asyncio.create_task(one(values)) for values in zip(*args, strict=False)]
        try:
            for child in children:
                try:
                    result = await child
                except Exception as e:
                    if not return_exceptions:
                        raise
                    result = e
                yield result
        finally:
            for child in children:
                child.cancel()
            await asyncio.gather(*children, return_exceptions=True)


map = _Map()
