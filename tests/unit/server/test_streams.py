"""Streams end when their clients leave and when the server does, and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from flyte.errors import RpcError
from flyte.server.engine.transitions import run_topic
from flyte.wire.services import method


async def becomes(fact: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0.01)


def listeners(site: Any, topic: str) -> int:
    return len(site.plane.store._hub._listeners.get(topic, ()))


WATCHES: dict[str, tuple[str, str]] = {
    "WatchActionDetails": ("RunService", "action_id"),
    "WatchRunDetails": ("RunService", "run_id"),
    "WatchActions": ("RunService", "run_id"),
    "WatchForUpdates": ("ActionsService", "parent_action_id"),
    "TailLogs": ("DataProxyService", "action_id"),
}


@pytest.mark.parametrize("name", WATCHES)
async def test_a_watch_whose_client_leaves_lets_go_of_its_listener(site: Any, make: Any, name: str) -> None:
    await site.run("w")
    launch = await site.executor.launched("w")
    site.executor.started(launch)
    await site.phase("w", 4)
    topic = run_topic(1)
    await becomes(lambda: listeners(site, topic) == 0)
    service, field = WATCHES[name]
    value = make.run_id("w") if field == "run_id" else make.action_id("w")
    waiting = asyncio.create_task(drain(site.stream(service, name, **{field: value})))
    await becomes(lambda: listeners(site, topic) == 1)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    await becomes(lambda: listeners(site, topic) == 0)
    await becomes(lambda: len(site.plane._rpc.streams) == 0)


async def drain(stream: Any) -> None:
    async for _ in stream:
        pass


async def test_stopping_ends_fifty_idle_watches_at_once_and_as_unavailable(site: Any, make: Any) -> None:
    await site.run("w")
    await site.executor.launched("w")
    watches = [
        asyncio.create_task(
            drain(site.stream("ActionsService", "WatchForUpdates", parent_action_id=make.action_id("w")))
        )
        for _ in range(50)
    ]
    await becomes(lambda: len(site.plane._rpc.streams) == 50)
    before = time.monotonic()
    site.plane.stop()
    await site.serving
    assert time.monotonic() - before < 3
    results = await asyncio.gather(*watches, return_exceptions=True)
    assert {type(result) for result in results} == {RpcError}
    assert {result.code for result in results if isinstance(result, RpcError)} == {"unavailable"}


async def test_a_request_that_outlasts_the_server_is_unavailable_and_never_canceled(
    site: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def never(*_: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("flyte.server.services.runs.RunService._row", never)
    waiting = asyncio.create_task(site.refused("RunService", "GetRunDetails", run_id=make.run_id("x")))
    await asked.wait()
    site.plane.stop()
    await site.serving
    assert (await waiting).code == "unavailable"


async def test_a_client_that_sets_a_deadline_gets_it(site: Any, make: Any) -> None:
    await site.run("w")
    client = site.client_with({"connect-timeout-ms": "200"})
    request = method("ActionsService", "WatchForUpdates").request(parent_action_id=make.action_id("w"))
    with pytest.raises(RpcError) as caught:
        await drain(client.stream("ActionsService", "WatchForUpdates", request))
    assert caught.value.code == "deadline_exceeded"
    await becomes(lambda: listeners(site, run_topic(1)) == 0)


async def test_a_backend_that_is_stopped_waits_for_what_runs_and_starts_nothing_new(site: Any, make: Any) -> None:
    site.plane.grace_seconds = 60
    await site.run("runs")
    launch = await site.executor.launched("runs")
    site.executor.started(launch)
    site.executor.places = 0
    await site.run("waits")
    site.plane.stop()
    site.executor.places = 1
    site.plane.store.publish("queue")
    waiting = await site.call("RunService", "GetRunDetails", run_id=make.run_id("waits"))
    assert waiting.details.action.status.phase == 1
    assert not site.serving.done()
    site.executor.succeed(launch)
    async with asyncio.timeout(30):
        await site.serving
    assert [key.run for key in site.executor.launches] == ["runs"]


async def test_a_backend_that_is_stopped_twice_waits_for_nothing(site: Any, make: Any) -> None:
    site.plane.grace_seconds = 60
    await site.run("runs")
    site.executor.started(await site.executor.launched("runs"))
    site.plane.stop()
    site.plane.stop()
    async with asyncio.timeout(30):
        await site.serving
