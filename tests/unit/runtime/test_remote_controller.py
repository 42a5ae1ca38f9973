"""Children through a backend: started once, found again, ended when nobody awaits them."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flyte.authoring.controller import Running, enter
from flyte.authoring.environment import TaskEnvironment
from flyte.errors import ActionAbortedError, RpcError, RuntimeSystemError
from flyte.model.context import ActionID, RawDataPath, TaskContext
from flyte.model.ids import ActionRef, RunId, Scope
from flyte.model.task import Placement
from flyte.runtime import controller as controlling
from flyte.runtime.controller import RemoteController
from flyte.wire.services import method

PARENT = ActionRef(RunId(Scope("p", "development", "local"), "r1"), "a0")
env = TaskEnvironment("controlled")


@env.task
async def child(x: int) -> None:
    """Never run here."""


class Backend:
    """Takes what is enqueued, and tells of its end when a test says so."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.enqueued: list[str] = []
        self.aborted: list[str] = []
        self.updates: asyncio.Queue[Any] = asyncio.Queue()
        self.ends_at_once = True

    async def unary(self, service: str, name: str, request: Any, *, timeout: float | None = None) -> Any:
        if name == "Abort":
            self.aborted.append(request.action_id.name)
            return None
        if self.refusals:
            raise self.refusals.pop(0)
        self.enqueued.append(request.action.action_id.name)
        if self.ends_at_once:
            self.updates.put_nowait(request.action.action_id.name)
        return None

    async def stream(self, service: str, name: str, request: Any) -> AsyncIterator[Any]:
        sentinel = method(service, name).response()
        sentinel.control_message.sentinel = True
        yield sentinel
        while True:
            message = method(service, name).response()
            message.action_update.action_id.name = await self.updates.get()
            values = message.action_update.DESCRIPTOR.fields_by_name["phase"].enum_type.values_by_name
            message.action_update.phase = values["ACTION_PHASE_SUCCEEDED"].number
            yield message


def running(backend: Backend, folder: pathlib.Path) -> tuple[RemoteController, Running]:
    controller = RemoteController(
        backend, PARENT, str(folder), Placement(version="v", project="p", domain="development", org="local",
                                                root_dir=pathlib.Path(__file__).parent)
    )  # fmt: skip
    context = TaskContext(
        action=ActionID(name="a0", run_name="r1", project="p", domain="development"), version="v",
        raw_data_path=RawDataPath(path=str(folder)), output_path=str(folder), run_base_dir=str(folder),
    )  # fmt: skip
    return controller, Running(context, controller)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controlling, "_LONGEST_WAIT_SECONDS", 0.001)


async def test_equal_children_have_names_of_their_own_that_follow_from_their_order(tmp_path: pathlib.Path) -> None:
    names = []
    for attempt in ("one", "two"):
        backend = Backend()
        controller, state = running(backend, tmp_path / attempt)
        with enter(state):
            await child(1)
            await child(1)
            await child(2)
        controller.close()
        names.append(backend.enqueued)
    assert names[0] == names[1], "a second attempt of the parent asks for the same children"
    assert len(set(names[0])) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        RpcError("busy", code="unavailable"),
        RpcError("late", code="deadline_exceeded"),
        RuntimeError("the connection broke in the middle of the answer"),
    ],
)
async def test_a_backend_that_does_not_answer_is_asked_again(tmp_path: pathlib.Path, refusal: Exception) -> None:
    backend = Backend(refusal, refusal, refusal)
    controller, state = running(backend, tmp_path)
    with enter(state):
        await child(1)
    controller.close()
    assert len(backend.enqueued) == 1


async def test_refusals_are_raised_at_the_call(tmp_path: pathlib.Path) -> None:
    controller, state = running(Backend(RpcError("lease is over", code="permission_denied")), tmp_path)
    with enter(state), pytest.raises(RuntimeSystemError, match=r"controlled\.child cannot be started: lease is over"):
        await child(1)
    controller.close()
    controller, state = running(Backend(RpcError("the parent is over", code="aborted")), tmp_path)
    with enter(state), pytest.raises(ActionAbortedError, match="the parent is over"):
        await child(1)
    controller.close()


async def cancelled(backend: Backend, state: Running) -> None:
    backend.ends_at_once = False
    with enter(state):
        awaiting = asyncio.ensure_future(child(1))
        async with asyncio.timeout(10):
            while not backend.enqueued:
                await asyncio.sleep(0.005)
        awaiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaiting


async def test_a_child_that_nobody_awaits_any_more_is_aborted(tmp_path: pathlib.Path) -> None:
    backend = Backend()
    controller, state = running(backend, tmp_path)
    await cancelled(backend, state)
    async with asyncio.timeout(10):
        while backend.aborted != backend.enqueued:
            await asyncio.sleep(0.005)
    controller.close()


async def test_children_of_an_attempt_that_is_being_ended_are_left_alone(tmp_path: pathlib.Path) -> None:
    backend = Backend()
    controller, state = running(backend, tmp_path)
    controller.let_go()
    await cancelled(backend, state)
    controller.close()  # whatever was to be sent has been sent by now
    assert backend.aborted == []
