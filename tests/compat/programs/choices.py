"""Enums and literals."""

import enum
from typing import Literal

import flyte

env = flyte.TaskEnvironment(name="choices")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Size(str, enum.Enum):
    S = "small"
    L = "large"


class Rank(enum.IntEnum):
    ONE = 1
    TWO = 2


@env.task
async def main(color: Color, size: Size, rank: Rank = Rank.TWO, default: Color = Color.BLUE) -> tuple[Color, Rank]:
    return color, rank


@env.task
async def modes(mode: Literal["FAST", "SLOW"] = "SLOW") -> Literal["FAST", "SLOW"]:
    return mode
