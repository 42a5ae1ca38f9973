"""Attempts that wait for their back-off are started when it is over, whatever else happens."""

from __future__ import annotations

import asyncio
from typing import Any


async def test_no_back_off_is_slept_over(site: Any, make: Any) -> None:
    """Each wait ends about when the dispatcher looks, which is when one could be missed."""
    spec = make.task_spec()
    retries = spec.task_template.metadata.retries
    retries.retries = 150
    retries.backoff.base.nanos = 400_000
    retries.backoff.factor = 1.0
    await site.run("often", spec)
    async with asyncio.timeout(60):
        for attempt in range(1, 151):
            launch = await site.executor.launched("often", attempt=attempt)
            site.executor.started(launch)
            site.executor.fail(launch)
        site.executor.succeed(await site.executor.launched("often", attempt=151), make.outputs(1))
    await site.phase("often", 5)


async def test_the_longest_back_off_is_waited_for_and_stops_nothing_else(site: Any, make: Any) -> None:
    spec = make.task_spec()
    spec.task_template.metadata.retries.retries = 1
    spec.task_template.metadata.retries.backoff.base.seconds = 315_576_000_000
    spec.task_template.metadata.retries.backoff.factor = 1.0
    await site.run("patient", spec)
    launch = await site.executor.launched("patient")
    site.executor.started(launch)
    await site.phase("patient", 4)
    site.executor.fail(launch)
    await site.phase("patient", 1)
    await site.run("next")
    await site.finish("next")
