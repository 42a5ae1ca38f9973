"""From the queue to the executor: what is handed over, and what happens when that fails."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Any


async def test_an_attempt_that_cannot_be_handed_over_again_takes_its_children_with_it(
    site: Any, make: Any, tmp_path: pathlib.Path
) -> None:
    python = tmp_path / "python"
    python.touch(mode=0o700)
    row = {"digest": "gone", "executable": str(python), "prefix": "", "version": "", "now": 0}
    await site.plane.store.write(lambda tx: tx.run("interpreters.put", **row))
    spec = make.task_spec()
    spec.task_template.container.image = "env://local-gone"
    await site.run("parent", spec)
    parent = await site.executor.launched("parent")
    child = make.child("parent", "child")
    await site.call("ActionsService", "Enqueue", bearer=parent.token, action=child)
    below = await site.executor.launched("parent", "child")
    python.unlink()

    site.executor.connect(below.key)  # the executor has lost the parent, and holds the child
    await site.phase("parent", 6)
    await site.phase("parent", 7, "child")
    async with asyncio.timeout(10):
        while not site.executor.stops:
            await asyncio.sleep(0.01)
    assert [key for key, _ in site.executor.stops] == [below.key]
