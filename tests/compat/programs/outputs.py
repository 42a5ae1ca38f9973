"""Named, several and no outputs."""

from typing import Dict, List, NamedTuple, Tuple

import flyte

env = flyte.TaskEnvironment(name="outputs")


class Result(NamedTuple):
    """What comes out."""

    total: int
    names: List[str]
    by_name: Dict[str, float]


@env.task
async def main(x: int) -> Result:
    """Give them.

    Returns:
        All of them.
    """
    return Result(x, [], {})


@env.task
async def several(x: int) -> Tuple[int, str, List[bool]]:
    return x, "a", []


@env.task
async def nothing(x: int) -> None:
    pass


@env.task
def unannotated(x: int):
    pass


@env.task
async def many(a: int) -> tuple[int, int, int, int, int, int, int, int, int, int, int]:
    return (a,) * 11


@env.task
async def pair_in(pair: Result, plain: Tuple[int, str]) -> int:
    return 1
