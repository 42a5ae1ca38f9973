"""Optional[T], Union[A, B], A | B: chosen by the value, not by the order."""

from __future__ import annotations

import functools
import operator
import typing
from typing import TYPE_CHECKING, Any

from flyte.types.scalars import unwrap_union
from flyte.types.transformer import Conversion, Transformer, TypeTransformerFailedError, plain, shown, type_name

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2, types_pb2

    from flyte.types.engine import Engine


class UnionOf(Transformer):
    """The literal carries the value and the type of the member that was chosen."""

    tag = "Typed Union"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        from flyteidl2.core import types_pb2

        variants = [self._variant_type(member) for member in _members(t)]
        return types_pb2.LiteralType(union_type=types_pb2.UnionType(variants=variants))

    def _variant_type(self, member: Any) -> types_pb2.LiteralType:
        transformer = self._engine.transformer(member)
        literal_type = transformer.literal_type(member)
        literal_type.structure.tag = transformer.tag
        return literal_type

    def choose(self, value: Any, t: Any) -> Any:
        """The member for a value: the one it is exactly, else the only one that takes it.

        Raises:
            TypeTransformerFailedError: None takes it, or several do.
        """
        members = _members(t)
        exact = [m for m in members if self._engine.transformer(m).matches(value, m)]
        if exact:
            return exact[0]
        possible, reasons = [], []
        for member in members:
            try:
                self._engine.transformer(member).check(value, member)
                possible.append(member)
            except TypeTransformerFailedError as e:
                reasons.append(e.message)
        if not possible:
            raise TypeTransformerFailedError(
                f"Expected {type_name(t)}, got {type(value).__name__}: {shown(value)}. " + " ".join(reasons)
            )
        pickled = [m for m in possible if self._engine.transformer(m).tag == "FlytePickle"]
        others = [m for m in possible if m not in pickled]
        if len(others) > 1:
            raise TypeTransformerFailedError(
                f"Ambiguous choice of variant: {shown(value)} could be {' or '.join(map(type_name, others))}."
            )
        return (others or pickled)[0]

    def check(self, value: Any, t: Any) -> Any:
        member = self.choose(value, t)
        return self._engine.transformer(member).check(value, member)

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        from flyteidl2.core import literals_pb2

        member = self.choose(value, t)
        literal = self._engine.transformer(member).encode(value, member, conversion)
        union = literals_pb2.Union(value=literal, type=self._variant_type(member))
        wrapped = literals_pb2.Literal(scalar=literals_pb2.Scalar(union=union))
        if literal.hash:
            wrapped.hash = literal.hash
        return wrapped

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        members = _members(t)
        if literal.HasField("scalar") and literal.scalar.HasField("union"):
            stored = literal.scalar.union.type
            # The member that wrote it comes first: same tag and same wire type, then the same tag.
            members.sort(key=lambda m: self._distance(m, stored))
        inner = unwrap_union(literal)
        failures = []
        for member in members:
            try:
                return self._engine.transformer(member).decode(inner, member, conversion)
            except TypeTransformerFailedError as e:
                failures.append(e.message)
        raise TypeTransformerFailedError(f"The stored value is none of {type_name(t)}: {' '.join(failures)}")

    def _distance(self, member: Any, stored: types_pb2.LiteralType) -> int:
        mine = self._variant_type(member)
        if mine == stored:
            return 0
        if mine.structure.tag == stored.structure.tag:
            return 1
        return 2 if mine.WhichOneof("type") == stored.WhichOneof("type") else 3

    def matches(self, value: Any, t: Any) -> bool:
        return any(self._engine.transformer(m).matches(value, m) for m in _members(t))

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        if literal_type.WhichOneof("type") != "union_type":
            return None
        return functools.reduce(operator.or_, (self._engine.guess(v) for v in literal_type.union_type.variants))


def _members(t: Any) -> list[Any]:
    return [plain(member) for member in typing.get_args(t)]
