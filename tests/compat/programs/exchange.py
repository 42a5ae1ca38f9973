"""Values of many types, handed through a task and a child."""

import datetime
import enum
from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

import flyte
from pydantic import BaseModel

env = flyte.TaskEnvironment(name="exchange")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


@dataclass
class Point:
    x: int
    y: float = 0.5
    color: Color = Color.RED
    when: Optional[datetime.datetime] = None


@dataclass
class Shape:
    points: List[Point]
    tags: Dict[str, str] = field(default_factory=dict)


class Model(BaseModel):
    name: str
    color: Color = Color.BLUE
    parts: List[int] = []


class Values(NamedTuple):
    number: int
    real: float
    text: str
    flag: bool
    data: bytes
    when: datetime.datetime
    day: datetime.date
    span: datetime.timedelta
    items: List[List[int]]
    table: Dict[str, float]
    loose: dict
    shape: Shape
    model: Model
    color: Color
    maybe: Optional[Shape]
    either: Union[int, str, None]
    pair: Tuple[int, str]


MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
SHAPE = Shape([Point(1), Point(2, 1.5, Color.BLUE, MOMENT)], {"k": "v"})
VALUES = Values(
    number=-3,
    real=2.5,
    text="tëxt",
    flag=True,
    data=b"\x00\xff",
    when=MOMENT,
    day=MOMENT.date(),
    span=datetime.timedelta(days=1, microseconds=7),
    items=[[1, 2], []],
    table={"b": 1.0, "a": 2.0},
    loose={"k": [1, {"x": None}], "z": "z"},
    shape=SHAPE,
    model=Model(name="m", parts=[1, 2]),
    color=Color.BLUE,
    maybe=SHAPE,
    either="either",
    pair=(1, "a"),
)


@env.task
async def through(
    number: int,
    real: float,
    text: str,
    flag: bool,
    data: bytes,
    when: datetime.datetime,
    day: datetime.date,
    span: datetime.timedelta,
    items: List[List[int]],
    table: Dict[str, float],
    loose: dict,
    shape: Shape,
    model: Model,
    color: Color,
    maybe: Optional[Shape],
    either: Union[int, str, None],
    pair: Tuple[int, str],
) -> Values:
    given = Values(**{name: value for name, value in locals().items() if name in Values._fields})
    assert given == VALUES, f"{given}\nis not\n{VALUES}"
    return given


@env.task
async def main(
    number: int,
    real: float,
    text: str,
    flag: bool,
    data: bytes,
    when: datetime.datetime,
    day: datetime.date,
    span: datetime.timedelta,
    items: List[List[int]],
    table: Dict[str, float],
    loose: dict,
    shape: Shape,
    model: Model,
    color: Color,
    maybe: Optional[Shape],
    either: Union[int, str, None],
    pair: Tuple[int, str],
) -> Values:
    arguments = {name: value for name, value in locals().items() if name in Values._fields}
    return Values(*await through(**arguments))
