# ruff: noqa: UP007, UP045  both spellings of unions are part of what is tested
"""What is accepted for what, and what the error says where it is not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from typing import Any, Literal, NamedTuple, NotRequired, Optional, TypedDict, Union

import pydantic
import pytest

from flyte.errors import InvalidType, RuntimeDataValidationError
from flyte.model.context import RawDataPath
from flyte.model.interface import NativeInterface
from flyte.types.engine import engine
from flyte.types.pickled import LARGEST_INLINE
from flyte.types.transformer import Conversion, TypeTransformerFailedError
from flyte.wire.inputs import inputs_from_pb, inputs_to_pb, outputs_to_pb
from flyte.wire.keys import literal_bytes
from tests.unit.types.values import Color

C = Conversion()


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.Enum):
    LOW = 0.5
    HIGH = 1.5


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


@dataclasses.dataclass
class Vector:
    x: int
    y: float = 0.5


class Model(pydantic.BaseModel):
    size: int = pydantic.Field(gt=0)


class Row(TypedDict, total=False):
    id: int
    name: str


class Mixed(TypedDict):
    id: int
    note: NotRequired[str]


class Place(NamedTuple):
    x: int
    y: float = 1.5


def through(value: Any, t: Any) -> Any:
    """Over the wire and back."""
    return engine.decode(engine.encode(value, t, C), t, C)


def refused(value: Any, t: Any) -> str:
    """The sentence that refuses a value."""
    with pytest.raises(TypeTransformerFailedError) as caught:
        engine.encode(value, t, C)
    return caught.value.message


ACCEPTED = [
    (3, float, 3.0),
    ("RED", Color, Color.RED),
    ({"x": 1}, Point, Point(1)),
    ({"size": 2}, Model, Model(size=2)),
    (Place(1), Place, Place(1, 1.5)),
    ({"id": 1}, Row, {"id": 1}),
    ({"id": 1}, Mixed, {"id": 1}),
    ({"id": 1, "note": "n"}, Mixed, {"id": 1, "note": "n"}),
    ([1, 2], list[float], [1.0, 2.0]),
    ({"a": 1}, dict[str, float], {"a": 1.0}),
    (1, Optional[float], 1.0),
    (dt.datetime(2024, 1, 1), dt.datetime, dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
    (
        dt.datetime(2024, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        dt.datetime,
        dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    ),
    ([1, "a", None], list, [1, "a", None]),
    ((1, 2, 3), tuple[int, ...], (1, 2, 3)),
    (1, Literal[1, 2], 1),
]


@pytest.mark.parametrize(("given", "t", "expected"), ACCEPTED, ids=str)
def test_what_loses_nothing_is_accepted(given: Any, t: Any, expected: Any) -> None:
    found = through(given, t)
    assert found == expected
    assert type(found) is type(expected)
    assert engine.round_trip(given, t, C) == expected


REFUSED = [
    (True, int, "Expected int, got bool: True."),
    (1.5, int, "Expected int, got float: 1.5."),
    (2**63, int, "64 bits"),
    (1, bool, "Expected bool, got int: 1."),
    (True, float, "Expected float, got bool: True."),
    (None, str, "Expected str, got NoneType: None."),
    (1, str, "Expected str, got int: 1."),
    (dt.datetime(2024, 1, 1), dt.date, "Use .date()"),
    ("2024-01-01", dt.date, "Expected date, got str: '2024-01-01'."),
    ("r", Color, "One of RED, BLUE."),
    ("c", Literal["a", "b"], "Expected one of 'a', 'b', got 'c'."),
    ((1, 2), list[int], "Expected list[int], got tuple: (1, 2)."),
    ([1, "x"], list[int], "At [1]: Expected int, got str: 'x'."),
    ({"a": {"b": [None]}}, dict[str, dict[str, list[int]]], "At ['a']['b'][0]: Expected int, got NoneType: None."),
    ({1: 2}, dict[str, int], "Expected text as key, got int: 1."),
    ((1,), tuple[int, str], "Expected tuple[int, str], got tuple: (1,)."),
    ({"x": 1, "z": 2}, Point, "Point has no field z; it has x, y."),
    (1, Point, "Expected Point, got int: 1."),
    ({"size": 0}, Model, "size: Input should be greater than 0"),
    ({"id": 1, "zzz": 2}, Row, "unknown keys ['zzz']"),
    ({}, Mixed, "missing keys ['id']"),
    (1.5, Union[int, str], "Expected Union[int, str], got float: 1.5."),
    (None, bytes, "None cannot be pickled as bytes; declare the type Optional."),
    ("x" * 1000, int, "…"),
]


@pytest.mark.parametrize(("given", "t", "sentence"), REFUSED, ids=lambda v: str(v)[:40])
def test_a_refusal_says_the_type_the_value_and_why(given: Any, t: Any, sentence: str) -> None:
    message = refused(given, t)
    assert sentence in message
    assert len(message) < 700
    with pytest.raises(TypeTransformerFailedError):
        engine.round_trip(given, t, C)


@pytest.mark.parametrize("t", [Access, Level], ids=lambda t: t.__name__)
def test_flags_and_enums_of_other_values_are_no_inputs(t: Any) -> None:
    with pytest.raises(TypeTransformerFailedError, match="text or whole numbers"):
        engine.literal_type(t)


def test_two_members_that_fit_equally_well_are_ambiguous() -> None:
    assert "Point or Vector" in refused({"x": 1}, Union[Point, Vector])
    assert through(Vector(2), Union[Point, Vector]) == Vector(2)


def test_the_exact_member_of_a_union_wins_whatever_its_place() -> None:
    assert through(1, Union[float, int]) == 1
    assert type(through(1, Union[float, int])) is int
    assert through(True, Union[int, str, bool]) is True
    assert through("1", Union[int, str]) == "1"


def test_everything_can_be_optional() -> None:
    for value, t in (
        (3, int),
        (Color.RED, Color),
        (Point(1), Point),
        (b"x", bytes),
        ({"a": 1}, dict),
        ([1], list[int]),
    ):
        assert through(value, Optional[t]) == value
        assert through(None, Optional[t]) is None


def test_an_error_of_an_input_names_it_and_one_of_an_output_too() -> None:
    interface = NativeInterface({"count": (int, ...)}, {"o0": str})
    with pytest.raises(InvalidType, match=r"variable 'count'.*Expected int, got str: 'a'"):
        inputs_to_pb(interface, {"count": "a"}, C)
    with pytest.raises(RuntimeDataValidationError, match=r"o0.*Expected str, got int: 1"):
        outputs_to_pb(interface, 1, C, "env.task")
    stored = inputs_to_pb(NativeInterface({"count": (str, ...)}, {}), {"count": "a"}, C)
    with pytest.raises(RuntimeDataValidationError, match=r"count.*stored value is a string_value"):
        inputs_from_pb(interface, stored, C, "env.task")


def test_a_stored_number_is_read_as_the_declared_one() -> None:
    assert engine.decode(engine.encode(2.9, float, C), int, C) == 2
    assert engine.decode(engine.encode(2, int, C), float, C) == 2.0
    assert engine.decode(engine.encode(2, Optional[int], C), int, C) == 2
    assert engine.decode(engine.encode(2, int, C), Optional[int], C) == 2


def test_a_large_pickle_becomes_an_object(tmp_path: Any) -> None:
    conversion = Conversion(RawDataPath(path=str(tmp_path)))
    data = bytes(LARGEST_INLINE + 1)
    literal = engine.encode(data, bytes, conversion)
    assert literal.scalar.blob.metadata.type.format == "PythonPickle"
    assert engine.decode(literal, bytes, conversion) == data
    assert engine.may_block(bytes)
    assert engine.may_block(Optional[list[bytes]])
    assert not engine.may_block(dict[str, int])
    assert "nowhere to put it" in refused(data, bytes)


def test_a_set_counts_by_its_members_not_by_their_order() -> None:
    literal = engine.encode({3, 1}, set, C)
    assert literal.hash == "fb50dde07732f2c4a6e7f094a19a450b"
    assert engine.encode(frozenset({1, 3}), frozenset, C).hash == literal.hash
    assert engine.encode({1}, Optional[set], C).hash == "e810acda2ce34abdefeb27994d79f951"
    assert engine.encode({1}, Any, C).hash == "e810acda2ce34abdefeb27994d79f951"
    assert literal_bytes(literal) == literal.hash.encode()
    assert engine.encode({1, "a"}, set, C).hash == ""
    assert engine.encode(b"x", bytes, C).hash == ""


def test_what_cannot_be_pickled_is_told() -> None:
    assert "cannot be pickled" in refused((i for i in [1]), Any)


def test_a_dataclass_without_a_schema_travels_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    @dataclasses.dataclass
    class Holder:
        model: Optional[Model] = None

    assert not engine.literal_type(Holder).HasField("metadata")
    assert "cannot be described" in caplog.text


def test_keys_of_a_typed_dict_are_described_as_the_official_schema_does() -> None:
    assert list(engine.literal_type(Row).metadata["required"]) == ["id", "name"]
    assert list(engine.literal_type(Mixed).metadata["required"]) == ["id"]
    assert list(engine.literal_type(Place).metadata["required"]) == ["x", "y"]


GUESSED = [int, float, str, bool, type(None), dt.timedelta, list[int], dict[str, list[float]], Optional[int]]


@pytest.mark.parametrize("t", GUESSED, ids=str)
def test_a_type_is_guessed_from_the_wire(t: Any) -> None:
    assert engine.guess(engine.literal_type(t)) == t


def test_a_value_whose_repr_fails_is_still_told_about() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert "<Broken>" in refused(Broken(), int)
