# ruff: noqa: UP006, UP007, UP035, UP045  all spellings are part of what is tested
"""Types and values that are seldom met: they come back whole, or are refused in a sentence; never a raw error.

That their literals are the official ones is shown by `programs/odd.py` of the compatibility suite.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import math
import sys
import typing
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Dict, ForwardRef, Generic, List, Literal, NamedTuple, Optional, TypeVar, Union

import pydantic
import pytest
import typing_extensions
from flyteidl2.core import literals_pb2
from hypothesis import given
from hypothesis import strategies as st

from flyte.errors import FlyteError
from flyte.model.interface import NO_HINT
from flyte.types.engine import engine
from flyte.types.transformer import Conversion, TypeTransformerFailedError
from flyte.wire.keys import literal_bytes
from tests.unit.types.values import DETERMINISTIC, INTEGERS, TEXT, Color, Rank

C = Conversion()
T = TypeVar("T")


class Shade(enum.Enum):
    RED = "r"
    CRIMSON = "r"  # noqa: PIE796  an alias is what is tested


class Name(str, enum.Enum):
    A = "a"


class Spot(NamedTuple):
    x: int
    color: Color = Color.RED


Bare = collections.namedtuple("Bare", "a b")


class Later(typing_extensions.TypedDict, total=False):
    color: Color
    name: str


class Hidden(typing.TypedDict):
    _id: int


@dataclasses.dataclass
class Chain:
    value: float
    rest: Optional[Chain] = None
    any: Any = None


@dataclasses.dataclass
class Held(Generic[T]):
    value: T


class Leaf(pydantic.BaseModel):
    color: Color = Color.RED


class Everywhere(pydantic.BaseModel):
    many: tuple[Color, ...] = (Color.RED,)
    leaves: tuple[Leaf, ...] = (Leaf(),)
    either: Union[Color, int] = Color.BLUE
    spot: Spot = Spot(1)
    later: Later = {"color": Color.RED}
    sequence: typing.Sequence[Color] = [Color.RED]
    chosen: set[Color] = {Color.BLUE}
    mapped: dict[Color, list[Optional[Color]]] = {Color.RED: [None, Color.BLUE]}
    below: dict[str, Everywhere] = {}


class Aliased(pydantic.BaseModel):
    value: int = pydantic.Field(alias="Value")
    inner: Optional[Aliased] = None


class Computed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    x: int

    @pydantic.computed_field
    def double(self) -> int:
        return 2 * self.x


class Box(pydantic.BaseModel, Generic[T]):
    value: T


class Numbers(pydantic.BaseModel):
    real: float = 0.0
    maybe: Optional[float] = None
    whole: int = 0
    data: bytes = b""


class Unready(pydantic.BaseModel):
    x: Nowhere  # type: ignore[name-defined]  # noqa: F821


class Unspeakable(pydantic.BaseModel):
    f: Optional[Callable[[], int]] = None


class UnreadyTuple(NamedTuple):
    x: Nowhere  # type: ignore[name-defined]  # noqa: F821


def through(value: Any, t: Any) -> Any:
    """Over the wire and back, as bytes."""
    sent = engine.encode(value, t, C).SerializeToString(deterministic=True)
    return engine.decode(literals_pb2.Literal.FromString(sent), t, C)


WHOLE = [
    (Rank.ONE, int, 1),
    (Name.A, str, "a"),
    (Shade.CRIMSON, Shade, Shade.RED),
    ("CRIMSON", Shade, Shade.RED),
    ({"a": 1}, Dict, {"a": 1}),
    ([1], List, [1]),
    ({(1, (2, 3)): {(4,): 5}}, dict, {(1, (2, 3)): {(4,): 5}}),
    ({"n": 2**64 - 1, "b": b"\xff"}, dict, {"n": 2**64 - 1, "b": b"\xff"}),
    (b"", bytes, b""),
    ("\0é😀", str, "\0é😀"),
    (None, Optional[object], None),
    (None, Union[object, None], None),
    ("a", Optional[Literal["a", "b"]], "a"),
    ([1, "a"], list[Literal["a", 1]], [1, "a"]),
    (True, Literal[True, "a"], True),
    (Color.RED, Literal[Color.RED], Color.RED),
    ([[1], []], list[Annotated[list[int], "inner"]], [[1], []]),
    ([1], Optional[Annotated[list[int], "inner"]], [1]),
    ({"a": Color.RED}, dict[str, Annotated[Color, "inner"]], {"a": Color.RED}),
    (Chain(1.0), Annotated[Optional[Annotated[Chain, "inner"]], "outer"], Chain(1.0)),
    (Bare(1, "a"), Bare, Bare(1, "a")),
    ([Spot(1)], list[Spot], [Spot(1)]),
    ({"color": Color.BLUE}, Later, {"color": Color.BLUE}),
    (Chain(math.inf, Chain(2.0), {"a": [1]}), Chain, Chain(math.inf, Chain(2.0), {"a": [1]})),
    (Held(Chain(1.0)), Held[Chain], Held(Chain(1.0))),
    (Everywhere(below={"a": Everywhere()}), Everywhere, Everywhere(below={"a": Everywhere()})),
    (Aliased(Value=1, inner=Aliased(Value=2)), Aliased, Aliased(Value=1, inner=Aliased(Value=2))),
    (Computed(x=1), Computed, Computed(x=1)),
    (Box[Color](value=Color.BLUE), Box[Color], Box[Color](value=Color.BLUE)),
    (Numbers(real=math.inf, maybe=-math.inf), Numbers, Numbers(real=math.inf, maybe=-math.inf)),
    ((math.inf, Color.RED), tuple[float, Color], (math.inf, Color.RED)),
    ((Spot(1), [Color.RED]), tuple[Spot, list[Color]], (Spot(1), [Color.RED])),
    (1, "NO_HINT", 1),
    (Decimal("1.50"), Decimal, Decimal("1.50")),
    (dt.datetime.max, dt.datetime, dt.datetime.max.replace(tzinfo=dt.UTC)),
    (dt.date.min, dt.date, dt.date.min),
]


@pytest.mark.parametrize(("value", "t", "expected"), WHOLE, ids=lambda v: str(v)[:50])
def test_an_odd_value_comes_back_whole_over_the_wire_and_in_local_mode(value: Any, t: Any, expected: Any) -> None:
    t = NO_HINT if t == "NO_HINT" else t
    engine.literal_type(t)
    for back in (through(value, t), engine.round_trip(value, t, C)):
        assert back == expected
        assert type(back) is type(expected)


def test_what_is_not_a_number_stays_so_inside_structures() -> None:
    for t, value in ((Numbers, Numbers(maybe=math.nan)), (Chain, Chain(math.nan)), (dict, {"maybe": math.nan})):
        back = through(value, t)
        found = back["maybe"] if t is dict else getattr(back, "maybe", None) or getattr(back, "value", None)
        assert math.isnan(found)


REFUSED = [
    (10**400, float, "The number is too large for a float."),
    ("\ud800", str, "the character '\\ud800' at 0 is half of one. Send bytes instead."),
    ({"a\udcff": 1}, dict[str, int], "the character '\\udcff' at 1 is half of one."),
    (["a", "\ud800"], list[str], "At [1]: The text '\\ud800' cannot be sent"),
    ("\ud800", Optional[str], "half of one"),
    (dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))), dt.datetime, "outside the years 1 to 9999."),
    (2, Literal[1, "a"], "Expected one of 1, 'a', got 2."),
    (True, Literal[1], "Expected one of 1, got True."),
    ("c", Optional[Literal["a"]], "Expected one of 'a', got 'c'."),
    (["c"], list[Literal["a"]], "At [0]: Expected one of 'a', got 'c'."),
    (None, "NO_HINT", "None cannot be pickled; give the input a type, Optional[…] say."),
    ({"n": 2**64}, dict, "cannot be sent as a dict: Integer value out of range."),
    ({"s": "\ud800"}, dict, "cannot be sent as a dict: 'utf-8' codec can't encode"),
    (Numbers(whole=2**64), Numbers, "cannot be sent as Numbers: Integer value out of range."),
    (Numbers(data=b"\xff"), Numbers, "cannot be sent as Numbers: 'utf-8' codec can't decode byte 0xff"),
    ((1, b"\xff"), tuple[int, bytes], "cannot be sent as tuple[int, bytes]: 'utf-8' codec can't decode byte 0xff"),
    ((1, "a"), tuple[int, int], "is no tuple[int, int]: item_1: Input should be a valid integer"),
    ({(1, 2): "a"}, dict[tuple[int, int], str], "cannot be sent as a dict: unhashable type: 'list'."),
    (Chain(1.0, any="\ud800"), Chain, "cannot be sent as Chain: 'utf-8' codec"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "t", "sentence"), REFUSED, ids=lambda v: ascii(v)[:40])
def test_what_cannot_travel_is_refused_in_a_sentence(value: Any, t: Any, sentence: str) -> None:
    t = NO_HINT if t == "NO_HINT" else t
    for convert in (engine.encode, engine.round_trip):
        with pytest.raises(TypeTransformerFailedError) as caught:
            convert(value, t, C)
        assert sentence in caught.value.message
        assert "\n" not in caught.value.message
        caught.value.message.encode()


UNFIT = [
    (Hidden, "Hidden cannot be an input or output: the name '_id' begins with '_'. Use a dict, whose keys may."),
    (Unready, "Unready cannot be an input or output: `Unready` is not fully defined; you should define `Nowhere`"),
    (UnreadyTuple, "UnreadyTuple cannot be an input or output: name 'Nowhere' is not defined."),
    (Unspeakable, "Unspeakable cannot be an input or output: Cannot generate a JsonSchema for core_schema.Callable"),
    (tuple[int, range], "cannot be an input or output: Unable to generate pydantic-core schema for <class 'range'>"),
]


@pytest.mark.parametrize(("t", "sentence"), UNFIT, ids=lambda v: str(v)[:40])
def test_a_type_that_cannot_be_described_is_refused_in_a_sentence(t: Any, sentence: str) -> None:
    with pytest.raises(TypeTransformerFailedError) as caught:
        engine.literal_type(t)
    assert sentence in caught.value.message
    assert "\n" not in caught.value.message


def test_a_record_without_pydantic_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fresh(NamedTuple):
        x: int

    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(TypeTransformerFailedError, match="Fresh needs Pydantic as an input or output: pip install"):
        engine.literal_type(Fresh)


def test_an_infinite_float_is_no_stored_int() -> None:
    for number in (math.inf, math.nan):
        with pytest.raises(TypeTransformerFailedError, match="Expected int, but the stored value is"):
            engine.decode(engine.encode(number, float, C), int, C)


def test_a_stored_value_that_is_no_message_pack_is_told() -> None:
    literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=b"\xc1", tag="msgpack")))
    for t in (dict, Chain, Leaf, Spot):
        with pytest.raises(TypeTransformerFailedError, match="stored value"):
            engine.decode(literal, t, C)


def test_a_choice_of_texts_is_an_enumeration_only_as_a_whole_input() -> None:
    assert list(engine.literal_type(Literal["a", "b"]).enum_type.values) == ["a", "b"]
    assert (
        engine.literal_type(list[Literal["a"]]).collection_type.metadata["python_class_name"] == "typing.Literal['a']"
    )
    assert engine.literal_type(Literal["a", 1]).metadata["python_class_name"] == "typing.Any"
    assert engine.literal_type(NO_HINT).metadata["python_class_name"] == "<class 'inspect._empty'>"


def test_an_enumeration_names_no_member_twice() -> None:
    assert list(engine.literal_type(Shade).enum_type.values) == ["RED"]


def test_a_dict_is_in_the_same_order_wherever_it_comes_from() -> None:
    given_, t = {"b": 1, "a": 2}, dict[str, int]
    assert list(through(given_, t)) == list(engine.round_trip(given_, t, C)) == ["a", "b"]


def test_keys_that_are_tuples_count_for_equality() -> None:
    one, other = ({(1, 2): "a", (0, 1): "b"}, {(0, 1): "b", (1, 2): "a"})
    assert literal_bytes(engine.encode(one, dict, C)) == literal_bytes(engine.encode(other, dict, C))


def test_a_forward_reference_that_was_never_resolved_is_no_raw_error() -> None:
    assert through(1, ForwardRef("int")) == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5) | st.datetimes()
    | st.just(Color.RED) | st.just(Spot(1)) | st.builds(Chain, st.floats(allow_nan=False)) | st.builds(Leaf),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner)
    | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
SOME_TYPES = [
    int, float, str, bool, dict, Color, Spot, Later, Chain, Leaf, Everywhere, Numbers, dt.datetime, dt.date,
    list[int], dict[str, float], dict[int, str], tuple[int, str], Optional[str], Union[int, str, None], Literal["a", 1],
    list[Optional[Chain]], Optional[dict[str, list[Leaf]]],
]  # fmt: skip


@DETERMINISTIC
@given(ANYTHING, st.sampled_from(SOME_TYPES))
def test_any_value_for_any_type_is_taken_or_refused_in_a_sentence(value: Any, t: Any) -> None:
    try:
        literal = engine.encode(value, t, C)
    except FlyteError as e:
        assert e.message
        with pytest.raises(FlyteError):
            engine.round_trip(value, t, C)
        return
    literal_bytes(literal)
    try:
        back = engine.decode(literal, t, C)
    except FlyteError:
        assert "Any" in str(typing.get_type_hints(Chain).values())  # a dataclass is not looked into when it is sent
        return
    assert type(engine.round_trip(value, t, C)) is type(back)


@DETERMINISTIC
@given(st.dictionaries(INTEGERS | TEXT | st.tuples(INTEGERS, TEXT), INTEGERS | TEXT, max_size=4))
def test_a_loose_dict_keeps_the_types_of_its_keys(value: dict[Any, Any]) -> None:
    assert through(value, dict) == value
