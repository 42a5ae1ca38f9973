"""int, float, str, bool, None, and moments and spans of time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flyte.types.transformer import Conversion, Transformer, TypeTransformerFailedError, shown, type_name, wrong_type

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2, types_pb2

_INT64 = 2**63


def _primitive(**kwargs: Any) -> literals_pb2.Literal:
    from flyteidl2.core import literals_pb2

    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(**kwargs)))


def unwrap_union(literal: literals_pb2.Literal) -> literals_pb2.Literal:
    """The value inside a union literal, whose declared type may have been widened since."""
    while literal.HasField("scalar") and literal.scalar.HasField("union"):
        literal = literal.scalar.union.value
    return literal


class Simple(Transformer):
    """A type that is one primitive on the wire.

    Args:
        tag: The name on the wire.
        python_type: The type.
        simple: The member of `SimpleType`.
        slots: Members of `Primitive` that may hold it, the one to write first.
        to_wire, from_wire: Applied to the value.
        exact: A value of a subclass (a member of an IntEnum, a number of NumPy's) as one of the type itself: that is
            what comes back from the wire.
    """

    is_identity = True

    def __init__(
        self,
        tag: str,
        python_type: type,
        simple: str,
        slots: tuple[str, ...],
        to_wire: Callable[[Any], Any] = lambda value: value,
        from_wire: Callable[[Any], Any] = lambda value: value,
        exact: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self.tag = tag
        self.python_type = python_type
        self.simple = simple
        self.slots = slots
        self.to_wire = to_wire
        self.from_wire = from_wire
        self.exact = exact

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        from flyteidl2.core import types_pb2

        return types_pb2.LiteralType(simple=types_pb2.SimpleType.Value(self.simple))

    def check(self, value: Any, t: Any) -> Any:
        if type(value) is self.python_type:
            return value
        if isinstance(value, bool) or not isinstance(value, self.python_type):
            raise wrong_type(value, t)
        return self.exact(value)

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        return _primitive(**{self.slots[0]: self.to_wire(self.check(value, t))})

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        literal = unwrap_union(literal)
        slot = literal.scalar.primitive.WhichOneof("value")
        if slot not in self.slots:
            raise wrong_type_of_literal(literal, t)
        stored = getattr(literal.scalar.primitive, slot)
        try:
            return self.from_wire(stored)
        except (ValueError, OverflowError) as e:
            raise TypeTransformerFailedError(f"Expected {type_name(t)}, but the stored value is {stored}.") from e

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        from flyteidl2.core import types_pb2

        if literal_type.WhichOneof("type") != "simple":
            return None
        if literal_type.simple != types_pb2.SimpleType.Value(self.simple):
            return None
        return self.python_type


def wrong_type_of_literal(literal: literals_pb2.Literal, t: Any) -> Exception:
    """The error for a literal that does not hold a value of a type."""
    kind = literal.WhichOneof("value") or "nothing"
    if kind == "scalar":
        kind = literal.scalar.WhichOneof("value") or "nothing"
        if kind == "primitive":
            kind = literal.scalar.primitive.WhichOneof("value") or "nothing"
    return TypeTransformerFailedError(f"Expected {type_name(t)}, but the stored value is a {kind}.")


class Integer(Simple):
    """int, within 64 bits. A stored float is cut off."""

    def __init__(self) -> None:
        super().__init__("int", int, "INTEGER", ("integer", "float_value"), from_wire=int, exact=int)

    def check(self, value: Any, t: Any) -> Any:
        value = super().check(value, t)
        if not -_INT64 <= value < _INT64:
            raise wrong_type(value, t, "An int must fit into 64 bits; use str or a dataclass for larger numbers.")
        return value


class Float(Simple):
    """float. An int is taken as one."""

    def __init__(self) -> None:
        super().__init__("float", float, "FLOAT", ("float_value", "integer"), from_wire=float, exact=float)

    def check(self, value: Any, t: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                raise wrong_type(value, t, "The number is too large for a float.") from None
        return super().check(value, t)


class Text(Simple):
    """str."""

    def __init__(self) -> None:
        super().__init__("str", str, "STRING", ("string_value",), exact=str.__str__)

    def check(self, value: Any, t: Any) -> Any:
        return refuse_half_characters(super().check(value, t))


def refuse_half_characters(text: str) -> str:
    """A text, unless it holds surrogates, which have no form in UTF-8: undecodable file names are read into them.

    Raises:
        TypeTransformerFailedError: It holds one.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as e:
            raise TypeTransformerFailedError(
                f"The text {shown(text)} cannot be sent: the character {text[e.start]!r} at {e.start} is half of one. "
                "Send bytes instead."
            ) from None
    return text


class Boolean(Simple):
    """bool."""

    def __init__(self) -> None:
        super().__init__("bool", bool, "BOOLEAN", ("boolean",))

    def check(self, value: Any, t: Any) -> Any:
        if not isinstance(value, bool):
            raise wrong_type(value, t)
        return value


class Nothing(Transformer):
    """None."""

    tag = "none"
    is_identity = True

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        from flyteidl2.core import types_pb2

        return types_pb2.LiteralType(simple=types_pb2.SimpleType.NONE)

    def check(self, value: Any, t: Any) -> Any:
        if value is not None:
            raise wrong_type(value, t)
        return None

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        from flyteidl2.core import literals_pb2

        self.check(value, t)
        return literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void()))

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        literal = unwrap_union(literal)
        if literal.scalar.WhichOneof("value") != "none_type":
            raise wrong_type_of_literal(literal, t)

    def matches(self, value: Any, t: Any) -> bool:
        return value is None

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        from flyteidl2.core import types_pb2

        is_none = literal_type.WhichOneof("type") == "simple" and literal_type.simple == types_pb2.SimpleType.NONE
        return type(None) if is_none else None


def _timestamp(value: dt.datetime) -> Any:
    from google.protobuf.timestamp_pb2 import Timestamp

    stamp = Timestamp()
    try:
        stamp.FromDatetime(value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC))
    except (ValueError, OverflowError):
        raise wrong_type(value, dt.datetime, "In UTC it lies outside the years 1 to 9999.") from None
    return stamp


def _duration(value: dt.timedelta) -> Any:
    from google.protobuf.duration_pb2 import Duration

    duration = Duration()
    duration.FromTimedelta(value)
    return duration


class Moment(Simple):
    """datetime: an aware one is sent as UTC, a naive one is taken as UTC; it comes back aware, in UTC."""

    is_identity = False

    def __init__(self) -> None:
        super().__init__(
            "datetime",
            dt.datetime,
            "DATETIME",
            ("datetime",),
            to_wire=_timestamp,
            from_wire=lambda stamp: stamp.ToDatetime(tzinfo=dt.UTC),
        )


class Day(Simple):
    """date: midnight, UTC, on the wire."""

    def __init__(self) -> None:
        super().__init__(
            "date",
            dt.date,
            "DATETIME",
            ("datetime",),
            to_wire=lambda day: _timestamp(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)),
            from_wire=lambda stamp: stamp.ToDatetime(tzinfo=dt.UTC).date(),
            exact=lambda day: dt.date(day.year, day.month, day.day),
        )

    def check(self, value: Any, t: Any) -> Any:
        if isinstance(value, dt.datetime):
            raise wrong_type(value, t, "Use .date() where only the day is meant.")
        return super().check(value, t)


class Span(Simple):
    """timedelta, to the microsecond."""

    def __init__(self) -> None:
        super().__init__(
            "timedelta",
            dt.timedelta,
            "DURATION",
            ("duration",),
            to_wire=_duration,
            from_wire=lambda duration: duration.ToTimedelta(),
            exact=lambda span: dt.timedelta(span.days, span.seconds, span.microseconds),
        )


SCALARS: dict[Any, Transformer] = {
    int: Integer(),
    float: Float(),
    str: Text(),
    bool: Boolean(),
    type(None): Nothing(),
    None: Nothing(),
    dt.datetime: Moment(),
    dt.date: Day(),
    dt.timedelta: Span(),
}
