"""A run's progress on a terminal: its phase, its log lines, and how long it takes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from flyte.errors import FlyteError
from flyte.remote import logs
from flyte.remote.details import WaitFor

if TYPE_CHECKING:
    from flyte.remote.run import Run


async def show_progress(run: Run, wait_for: WaitFor) -> None:
    """Wait for a run, showing where it is on stderr and its log lines as they come."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status(f"{run.name}  {run.phase.value}") as status:

        async def follow() -> None:
            with contextlib.suppress(FlyteError):
                async for line in logs.lines(run.pb2.action.id):
                    sys.stdout.write(line)
                    sys.stdout.flush()

        following = asyncio.get_running_loop().create_task(follow())
        try:
            async for details in run.watch(wait_for=wait_for):
                status.update(f"{run.name}  {details.phase.value}  attempt {details.attempts}")
            if wait_for == "terminal":
                await following
        finally:
            following.cancel()
