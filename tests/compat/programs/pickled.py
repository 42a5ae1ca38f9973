"""Types that only a pickle carries."""

from typing import Any, Callable, Optional

import flyte

env = flyte.TaskEnvironment(name="pickled")


class Custom:
    pass


@env.task
async def main(x: int = 1) -> bytes:
    return b"x"


@env.task
async def anything(
    a: Any, b: bytes, c: set, d: Custom, e: list, g: Optional[bytes], i: set[int], k: Callable
) -> Optional[Custom]:
    return None
