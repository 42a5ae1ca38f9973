"""Dataclasses, nested, in lists and with defaults."""

import dataclasses
import datetime
import enum

import flyte

env = flyte.TaskEnvironment(name="records")


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclasses.dataclass
class Point:
    """A point."""

    x: int
    y: float = 0.5


@dataclasses.dataclass
class Shape:
    name: str
    points: list[Point]
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    level: Level = Level.LOW
    made: datetime.datetime | None = None


@env.task
async def main(shape: Shape, more: list[Point], origin: Point = Point(1)) -> Shape:
    return shape
