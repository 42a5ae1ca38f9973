"""Timeouts in all their spellings."""

from datetime import timedelta

import flyte

env = flyte.TaskEnvironment(name="timed")


@env.task(timeout=60)
async def seconds() -> None:
    pass


@env.task(timeout=timedelta(minutes=5))
async def delta() -> None:
    pass


@env.task(timeout=flyte.Timeout(max_runtime=300, max_queued_time=10, deadline=timedelta(seconds=1000)))
async def main() -> None:
    pass
