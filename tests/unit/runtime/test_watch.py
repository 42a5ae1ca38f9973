"""Watching children: what is told is never lost, and a backend that goes away is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flyte.errors import BackendUnreachable, RpcError, RuntimeSystemError
from flyte.model.ids import ActionRef, RunId, Scope
from flyte.runtime import watch as watching
from flyte.runtime.watch import ChildWatch
from flyte.wire.services import method

PARENT = ActionRef(RunId(Scope("p", "development", "local"), "r1"), "a0")


def update(name: str, phase: str) -> Any:
    message = method("ActionsService", "WatchForUpdates").response()
    message.action_update.action_id.name = name
    field = message.action_update.DESCRIPTOR.fields_by_name["phase"]
    message.action_update.phase = field.enum_type.values_by_name[f"ACTION_PHASE_{phase}"].number
    return message


def sentinel() -> Any:
    message = method("ActionsService", "WatchForUpdates").response()
    message.control_message.sentinel = True
    return message


class Streams:
    """A backend whose streams play what a test says, one list after the other, and then stay open."""

    def __init__(self, *plays: list[Any]) -> None:
        self.plays = list(plays)
        self.opened = 0
        self.closed = 0

    async def unary(self, service: str, name: str, request: Any, *, timeout: float | None = None) -> Any:
        raise AssertionError("not called")

    async def stream(self, service: str, name: str, request: Any) -> AsyncIterator[Any]:
        self.opened += 1
        try:
            for step in self.plays.pop(0) if self.plays else []:
                if isinstance(step, Exception):
                    raise step
                if step is END:
                    return
                yield step
            await asyncio.Event().wait()
        finally:
            self.closed += 1


END = object()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(watching, "_LONGEST_WAIT_SECONDS", 0.002)


async def within(awaited: Any) -> Any:
    async with asyncio.timeout(5):
        return await awaited


async def test_an_end_is_told_to_who_waits_and_to_who_comes_later() -> None:
    watch = ChildWatch(Streams([update("c", "RUNNING"), sentinel(), update("c", "SUCCEEDED")]), PARENT)
    await within(watch.caught_up())
    assert (await within(watch.ended("c"))).action_id.name == "c"
    await watch.close()

    watch = ChildWatch(Streams([update("c", "SUCCEEDED"), sentinel()]), PARENT)
    await within(watch.caught_up())
    assert watch.known("c") is not None
    await within(watch.ended("c"))
    await watch.close()


@pytest.mark.parametrize(
    "breaks",
    [
        BackendUnreachable("gone"),
        RpcError("the stream broke", code="unavailable"),
        RuntimeError("the client's own words for a broken connection"),
        END,
    ],
)
async def test_a_stream_that_ends_is_opened_again(breaks: Any) -> None:
    streams = Streams([sentinel(), breaks], *([breaks] for _ in range(30)), [update("c", "SUCCEEDED"), sentinel()])
    watch = ChildWatch(streams, PARENT)
    await within(watch.ended("c"))
    assert streams.opened == 32
    await watch.close()


async def test_a_backend_that_is_away_is_waited_for_without_end() -> None:
    away = [[BackendUnreachable("gone")] for _ in range(200)]
    watch = ChildWatch(Streams(*away, [update("c", "SUCCEEDED")]), PARENT)
    await within(watch.ended("c"))
    await watch.close()


@pytest.mark.parametrize("code", ["not_found", "permission_denied", "unimplemented", "aborted"])
async def test_a_refusal_fails_everybody_who_waits(code: str) -> None:
    watch = ChildWatch(Streams([RpcError("no", code=code)]), PARENT)
    with pytest.raises(RuntimeSystemError, match="cannot be watched: no"):
        await within(watch.ended("c"))
    with pytest.raises(RuntimeSystemError):
        await within(watch.ended("later"))
    await watch.close()


async def test_who_says_no_again_and_again_is_given_up() -> None:
    watch = ChildWatch(Streams(*([RpcError("broken", code="internal")] for _ in range(50))), PARENT)
    with pytest.raises(RuntimeSystemError, match="broken"):
        await within(watch.ended("c"))
    await watch.close()


async def test_what_was_taken_is_not_kept_also_when_it_is_told_again() -> None:
    again: list[Any] = [update("c", "SUCCEEDED"), update("d", "SUCCEEDED"), sentinel()]
    watch = ChildWatch(Streams([update("c", "SUCCEEDED"), END], again), PARENT)
    await within(watch.ended("c"))
    await within(watch.ended("d"))
    assert watch._children == {}
    await watch.close()


async def test_closing_waits_until_the_stream_is_closed() -> None:
    streams = Streams([sentinel()])
    watch = ChildWatch(streams, PARENT)
    await within(watch.caught_up())
    await within(watch.close())
    assert streams.closed == 1


async def test_a_cancelled_waiter_does_not_disturb_the_others() -> None:
    gate: asyncio.Event = asyncio.Event()

    class Gated(Streams):
        async def stream(self, service: str, name: str, request: Any) -> AsyncIterator[Any]:
            yield sentinel()
            await gate.wait()
            yield update("c", "SUCCEEDED")
            await asyncio.Event().wait()

    watch = ChildWatch(Gated(), PARENT)
    one, two = (asyncio.ensure_future(watch.ended("c")) for _ in range(2))
    await within(watch.caught_up())
    one.cancel()
    gate.set()
    assert (await within(two)).action_id.name == "c"
    await watch.close()
