# ruff: noqa: UP007, UP045  both spellings of unions are part of what is tested
"""Values of generated types survive the wire, and local mode's short cut gives what the wire would give."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing
from typing import Any, Literal, NamedTuple, Optional, TypedDict, Union

import pydantic
from flyteidl2.core import literals_pb2
from hypothesis import given
from hypothesis import strategies as st

from flyte.types.engine import engine
from flyte.types.transformer import Conversion
from tests.unit.types.values import DETERMINISTIC, INTEGERS, SMALL, TEXT, Color, Rank

CONVERSION = Conversion()


@dataclasses.dataclass
class Point:
    x: int
    label: str = ""
    color: Color = Color.RED
    when: Optional[dt.datetime] = None


class Model(pydantic.BaseModel):
    x: int
    color: Color = Color.RED
    parts: list[int] = []


class Pair(NamedTuple):
    x: int
    y: str


class Row(TypedDict):
    x: int
    y: Optional[str]


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC)


MOMENTS = st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9000, 1, 1)).map(_utc)
POINTS = st.builds(Point, SMALL, TEXT, st.sampled_from(Color), st.none() | MOMENTS)
MODELS = st.builds(Model, x=SMALL, color=st.sampled_from(Color), parts=st.lists(SMALL, max_size=3))
LOOSE = st.recursive(
    st.none() | st.booleans() | SMALL | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)

LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, INTEGERS),
    (float, st.floats(allow_nan=False)),
    (str, TEXT),
    (bool, st.booleans()),
    (type(None), st.none()),
    (bytes, st.binary(max_size=20)),
    (dt.datetime, MOMENTS),
    (dt.date, st.dates()),
    (dt.timedelta, st.timedeltas(dt.timedelta(days=-100000), dt.timedelta(days=100000))),
    (Color, st.sampled_from(Color)),
    (Rank, st.sampled_from(Rank)),
    (Literal["fast", "slow"], st.sampled_from(["fast", "slow"])),
    (Point, POINTS),
    (Model, MODELS),
    (Pair, st.builds(Pair, SMALL, TEXT)),
    (Row, st.fixed_dictionaries({"x": SMALL, "y": st.none() | TEXT})),
    (tuple[int, str], st.tuples(SMALL, TEXT)),
    (dict, st.dictionaries(TEXT, LOOSE, max_size=3)),
    (dict[int, str], st.dictionaries(SMALL, TEXT, max_size=3)),
    (set, st.sets(SMALL, max_size=3)),
    (frozenset[int], st.frozensets(SMALL, max_size=3)),
    (complex, st.complex_numbers(allow_nan=False)),
    (dt.time, st.times()),
    (Optional[Literal["fast", "slow"]], st.sampled_from([None, "fast", "slow"])),
    (Literal["fast", 1], st.sampled_from(["fast", 1])),
    (Any, st.sets(TEXT, max_size=2) | st.complex_numbers(allow_nan=False)),
]
PICKLED_TYPES = (bytes, set, frozenset[int], complex, dt.time, Any)


@st.composite
def typed_values(draw: st.DrawFn, depth: int = 2) -> tuple[Any, Any]:
    """A type and one of its values."""
    t, values = draw(_types(depth))
    return t, draw(values)


def _types(depth: int) -> st.SearchStrategy[tuple[Any, st.SearchStrategy[Any]]]:
    leaves = st.sampled_from(LEAVES)
    if depth == 0:
        return leaves
    inner = _types(depth - 1)
    return st.one_of(
        leaves,
        inner.map(lambda pair: (list[pair[0]], st.lists(pair[1], max_size=3))),
        inner.map(lambda pair: (dict[str, pair[0]], st.dictionaries(TEXT, pair[1], max_size=3))),
        inner.map(lambda pair: (Optional[pair[0]], st.none() | pair[1])),
    )


@DETERMINISTIC
@given(typed_values())
def test_a_value_comes_back_from_its_literal(pair: tuple[Any, Any]) -> None:
    t, value = pair
    sent = engine.encode(value, t, CONVERSION).SerializeToString(deterministic=True)
    assert engine.decode(literals_pb2.Literal.FromString(sent), t, CONVERSION) == value


@DETERMINISTIC
@given(typed_values())
def test_local_mode_gives_what_another_process_would_get(pair: tuple[Any, Any]) -> None:
    t, value = pair
    over_the_wire = engine.decode(engine.encode(value, t, CONVERSION), t, CONVERSION)
    assert engine.round_trip(value, t, CONVERSION) == over_the_wire
    assert type(engine.round_trip(value, t, CONVERSION)) is type(over_the_wire)


@DETERMINISTIC
@given(typed_values())
def test_equal_values_have_equal_literals_and_types(pair: tuple[Any, Any]) -> None:
    t, value = pair
    again = engine.decode(engine.encode(value, t, CONVERSION), t, CONVERSION)
    if t not in PICKLED_TYPES and not _holds_pickles(t):
        assert engine.encode(again, t, CONVERSION) == engine.encode(value, t, CONVERSION)
    assert engine.literal_type(t) == engine.literal_type(t)


def _holds_pickles(t: Any) -> bool:
    return t in PICKLED_TYPES or any(_holds_pickles(arg) for arg in typing.get_args(t) if arg is not Ellipsis)


@DETERMINISTIC
@given(typed_values(), typed_values())
def test_a_value_of_a_union_comes_back_whichever_member_it_is(a: tuple[Any, Any], b: tuple[Any, Any]) -> None:
    (s, value), (t, _) = a, b
    if _holds_pickles(s) or _holds_pickles(t) or s == t:
        return  # a pickle takes anything, and its member is the last resort
    union = Union[s, t]
    literal = engine.encode(value, union, CONVERSION)
    assert engine.decode(literal, union, CONVERSION) == value
