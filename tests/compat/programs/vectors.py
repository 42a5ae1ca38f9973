"""Tasks and calls whose names, keys and literals the official SDK has computed; see make_vectors.py.

Runs under either SDK. `CALLS` is what `main` does; the tests do the same without a backend.
"""

import asyncio
import dataclasses
import datetime
import enum
from typing import Any, Dict, List, Literal, NamedTuple, Optional, Tuple, TypedDict, Union

from pydantic import BaseModel

import flyte

env = flyte.TaskEnvironment(name="vectors")
cached_env = flyte.TaskEnvironment(name="vectors_cached", cache="auto")

UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Rank(enum.IntEnum):
    ONE = 1
    TWO = 2


@dataclasses.dataclass
class Inner:
    color: Color
    when: datetime.datetime


@dataclasses.dataclass
class Outer:
    inner: Inner
    items: List[Inner]
    maybe: Optional[int] = None
    table: Dict[str, int] = dataclasses.field(default_factory=dict)


class Model(BaseModel):
    a: int
    color: Color = Color.RED
    when: Optional[datetime.datetime] = None


class Pair(NamedTuple):
    x: int
    y: str


class Row(TypedDict):
    x: int
    y: str


@env.task
async def nothing() -> None:
    pass


@env.task
async def scalars(a: int, b: float, c: str, d: bool, e: None = None) -> str:
    return ""


@env.task
async def times(a: datetime.datetime, b: datetime.date, c: datetime.timedelta) -> datetime.datetime:
    return a


@env.task
async def collections(a: List[int], b: Dict[str, float], c: Dict[str, List[Optional[int]]], d: List[List[str]]) -> None:
    pass


@env.task
async def loose(a: dict, b: Dict[int, str]) -> dict:
    return a


@env.task
async def structures(a: Outer, b: Model, c: List[Model], d: Pair, e: Row, f: Tuple[int, str]) -> Outer:
    return a


@env.task
async def choices(a: Color, b: Rank, c: Literal["x", "y"]) -> Color:
    return a


@env.task
async def unions(
    a: Optional[int],
    b: Union[int, str],
    c: Union[List[int], str, None],
    d: Optional[Color],
    e: Optional[Model],
    f: float | None,
    g: Optional[datetime.timedelta] = None,
) -> Optional[str]:
    return None


@env.task
async def pickles(a: bytes, b: Any, c: Optional[bytes] = None) -> bytes:
    return a


@env.task
def synchronous(x: int, y: int = 2) -> Tuple[int, str]:
    return x, ""


@cached_env.task
async def cached(x: int, y: str = "a") -> int:
    # This comment is not part of the version.
    return x


@cached_env.task(cache=flyte.Cache("override", version_override="v7", ignored_inputs=("y",)))
async def cached_ignoring(x: int, y: str) -> int:
    return x


@cached_env.task(cache=flyte.Cache("auto", salt="pepper"))
async def cached_salted(x: int) -> int:
    """With a docstring.

    Args:
        x: described, which must not count.
    """
    return x


INNER = Inner(Color.RED, MOMENT)
CALLS = [
    (nothing, {}, None),
    (nothing, {}, None),
    (scalars, {"a": 3, "b": 1.5, "c": "tëxt", "d": True}, None),
    (scalars, {"a": -(2**63), "b": -0.0, "c": "", "d": False}, None),
    (scalars, {"a": 3, "b": 1e300, "c": "x" * 300, "d": True}, "some group"),
    (times, {"a": MOMENT, "b": datetime.date(2024, 2, 29), "c": datetime.timedelta(seconds=1.5)}, None),
    (times, {"a": datetime.datetime(1960, 1, 1), "b": datetime.date(1, 1, 1), "c": datetime.timedelta(-1)}, None),
    (collections, {"a": [1, 2], "b": {"b": 1.0, "a": 2.0}, "c": {"k": [None, 1]}, "d": [[], ["a"]]}, None),
    (collections, {"a": [], "b": {}, "c": {}, "d": []}, None),
    (loose, {"a": {"z": 1, "b": {"y": [1, {"q": None, "a": 1.5}]}}, "b": {2: "b", 1: "a"}}, None),
    (
        structures,
        {
            "a": Outer(INNER, [INNER, Inner(Color.BLUE, MOMENT)], 3, {"b": 1, "a": 2}),
            "b": Model(a=1),
            "c": [Model(a=1, color=Color.BLUE, when=MOMENT)],
            "d": Pair(1, "a"),
            "e": {"x": 1, "y": "b"},
            "f": (1, "a"),
        },
        None,
    ),
    (choices, {"a": Color.BLUE, "b": Rank.TWO, "c": "y"}, None),
    (unions, {"a": 3, "b": "x", "c": [1], "d": Color.RED, "e": Model(a=2), "f": 1.5}, None),
    (
        unions,
        {"a": None, "b": 7, "c": None, "d": None, "e": None, "f": None, "g": datetime.timedelta(1)},
        "some group",
    ),
    (pickles, {"a": b"abc", "b": "text"}, None),
    (pickles, {"a": b"", "b": 17, "c": b"c"}, None),
    (synchronous, {"x": 1}, None),
    (synchronous, {"x": 1, "y": 2}, None),
    (cached, {"x": 1}, None),
    (cached, {"x": 1, "y": "b"}, None),
    (cached_ignoring, {"x": 1, "y": "one"}, None),
    (cached_ignoring, {"x": 1, "y": "two"}, None),
    (cached_salted, {"x": 1}, "g"),
]


@env.task
async def main() -> int:
    """Call them one after the other; each fails, because it is only recorded."""
    for task, arguments, group in CALLS:
        try:
            if group is None:
                await task.aio(**arguments)
            else:
                with flyte.group(group):
                    await task.aio(**arguments)
        except Exception as e:
            print(type(e).__name__, str(e)[:200])
        await asyncio.sleep(0)
    return len(CALLS)
