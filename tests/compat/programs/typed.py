"""Collections of structures, and structures of collections."""
# ruff: noqa: I001

import datetime
from dataclasses import dataclass, field
from typing import Annotated, Dict, Generic, List, NamedTuple, Optional, Tuple, TypedDict, TypeVar, Union

import flyte
from pydantic import BaseModel

env = flyte.TaskEnvironment(name="typed")
T = TypeVar("T")


class Row(TypedDict, total=False):
    id: int
    name: str


class Place(NamedTuple):
    x: int
    y: float = 1.0


class Model(BaseModel):
    a: int
    b: Union[int, str] = 1
    c: Dict[str, List[int]] = {}


@dataclass
class Inner:
    when: datetime.datetime
    span: datetime.timedelta
    day: datetime.date


@dataclass
class Outer:
    inner: Inner
    table: Dict[str, Inner] = field(default_factory=dict)
    maybe: Optional[List[Inner]] = None
    pair: Tuple[int, str] = (1, "a")
    model: Optional[Model] = None


@dataclass
class Holder(Generic[T]):
    value: T


@env.task
async def main(
    rows: List[Row],
    place: Place,
    outer: Outer,
    models: Dict[str, Model],
    held: Holder[int],
    pairs: List[Tuple[int, str]],
    deep: Dict[str, Dict[str, List[Optional[float]]]],
    note: Annotated[int, "a note"],
    lists: List[List[int]],
) -> Dict[str, List[Model]]:
    return {}
