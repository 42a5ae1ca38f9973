"""How a control plane ends: what `flyte stop backend` left word of before its signal, else what it was started with."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import pytest

from flyte.server.app import ControlPlane
from flyte.server.engine.transitions import GRACE_SECONDS
from flyte.server.executors.port import ExecutorEvent
from flyte.server.settings import ServerSettings


class ClosingExecutor:
    """An executor that only notes how it was closed."""

    name = "closing"

    def __init__(self) -> None:
        self.closed: dict[str, Any] = {}

    def free(self, busy: int) -> int:
        return 0

    async def start(self, launch: object) -> None: ...

    async def stop(self, key: object, reason: str, grace_seconds: float) -> None: ...

    async def acknowledge(self, key: object) -> None: ...

    async def events(self) -> Any:
        nothing: list[ExecutorEvent] = []
        for event in nothing:
            yield event

    async def close(self, *, keep_tasks: bool, grace_seconds: float) -> None:
        self.closed = {"keep_tasks": keep_tasks, "grace_seconds": grace_seconds}


async def closed(data: pathlib.Path, wish: object, *, keep_tasks: bool = False) -> dict[str, Any]:
    """How the executor is closed by a control plane that is asked to stop, with this word in its folder."""
    executor = ClosingExecutor()
    plane = ControlPlane(ServerSettings(data=data, port=0), executor)
    plane.keep_tasks = keep_tasks
    await plane.open()
    (data / "stop.json").write_text(wish if isinstance(wish, str) else json.dumps(wish))
    plane.stop()
    await plane.close()
    assert not (data / "stop.json").exists()
    return executor.closed


async def test_the_grace_and_the_tasks_of_the_command_reach_the_executor(tmp_path: pathlib.Path) -> None:
    said = {"pid": os.getpid(), "grace_seconds": 2.5, "keep_tasks": True}
    assert await closed(tmp_path, said) == {"keep_tasks": True, "grace_seconds": 2.5}


async def test_a_backend_that_was_started_to_keep_its_tasks_keeps_them(tmp_path: pathlib.Path) -> None:
    said = {"pid": os.getpid(), "grace_seconds": 3, "keep_tasks": False}
    assert await closed(tmp_path, said, keep_tasks=True) == {"keep_tasks": True, "grace_seconds": 3.0}


@pytest.mark.parametrize(
    "said",
    [
        {"pid": 1, "grace_seconds": 2.5, "keep_tasks": True},
        {"pid": os.getpid(), "grace_seconds": -1, "keep_tasks": True},
        {"pid": os.getpid(), "grace_seconds": float("inf"), "keep_tasks": True},
        {"pid": os.getpid(), "grace_seconds": float("nan"), "keep_tasks": True},
        {"pid": os.getpid(), "grace_seconds": None, "keep_tasks": True},
        {"pid": os.getpid()},
        [],
        "no json",
    ],
)
async def test_a_word_for_another_process_or_a_damaged_one_counts_for_nothing(
    tmp_path: pathlib.Path, said: object
) -> None:
    assert await closed(tmp_path, said) == {"keep_tasks": False, "grace_seconds": GRACE_SECONDS}
