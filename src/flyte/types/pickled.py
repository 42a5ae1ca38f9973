"""Everything else: pickled by cloudpickle.

The only module that pickles. The control plane may not import it: a pickle is opaque there, and is opened only
in the task's own process or by the user's own program.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from typing import TYPE_CHECKING, Any

from flyte.model.interface import NO_HINT
from flyte.storage.port import store_for
from flyte.types.scalars import unwrap_union, wrong_type_of_literal
from flyte.types.transformer import Conversion, Transformer, TypeTransformerFailedError, shown, type_name

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2, types_pb2

log = logging.getLogger("flyte")

LARGEST_INLINE = 10 * 1024
"""Values of up to this many bytes (by `sys.getsizeof`) are sent inline."""

_told: set[str] = set()


class Pickled(Transformer):
    """bytes, set, Any, no hint at all, and every class that no other transformer knows."""

    tag = "FlytePickle"
    may_block = True

    def literal_type(self, t: Any) -> types_pb2.LiteralType:
        from flyteidl2.core import types_pb2
        from google.protobuf.struct_pb2 import Struct

        structure = types_pb2.TypeStructure(tag=self.tag)
        metadata = Struct()
        metadata["python_class_name"] = str(t)
        blob = types_pb2.BlobType(format="PythonPickle", dimensionality=types_pb2.BlobType.SINGLE)
        return types_pb2.LiteralType(
            union_type=types_pb2.UnionType(
                variants=[
                    types_pb2.LiteralType(blob=blob, structure=structure),
                    types_pb2.LiteralType(simple=types_pb2.SimpleType.BINARY, structure=structure),
                ]
            ),
            metadata=metadata,
        )

    def check(self, value: Any, t: Any) -> Any:
        if value is None:
            if t is NO_HINT:
                raise TypeTransformerFailedError("None cannot be pickled; give the input a type, Optional[…] say.")
            raise TypeTransformerFailedError(f"None cannot be pickled as {type_name(t)}; declare the type Optional.")
        return value

    def encode(self, value: Any, t: Any, conversion: Conversion) -> literals_pb2.Literal:
        import cloudpickle
        from flyteidl2.core import literals_pb2, types_pb2

        self.check(value, t)
        if t is not bytes and str(t) not in _told:
            _told.add(str(t))
            log.warning(
                "Values of %s are pickled: they can only be read by the same Python and library versions.",
                type_name(t) if t is NO_HINT else f"type {type_name(t)}",
            )
        try:
            data = cloudpickle.dumps(value)
        except Exception as e:
            raise TypeTransformerFailedError(
                f"{shown(value)} of type {type(value).__name__} cannot be pickled: {e}. "
                "Return plain data, a dataclass or a file instead."
            ) from e
        if sys.getsizeof(value) <= LARGEST_INLINE and len(data) <= LARGEST_INLINE:
            return literals_pb2.Literal(
                scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=data)), hash=_content_hash(value)
            )
        uri = conversion.new_uri("pickle.pkl")
        store_for(uri).write(uri, data)
        kind = types_pb2.BlobType(format="PythonPickle", dimensionality=types_pb2.BlobType.SINGLE)
        blob = literals_pb2.Blob(uri=uri, metadata=literals_pb2.BlobMetadata(type=kind))
        return literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=blob), hash=_content_hash(value))

    def decode(self, literal: literals_pb2.Literal, t: Any, conversion: Conversion) -> Any:
        import cloudpickle

        literal = unwrap_union(literal)
        kind = literal.scalar.WhichOneof("value")
        if kind == "binary":
            data = literal.scalar.binary.value
        elif kind == "blob":
            uri = literal.scalar.blob.uri
            data = store_for(uri).read(uri)
        else:
            raise wrong_type_of_literal(literal, t)
        try:
            return cloudpickle.loads(data)
        except Exception as e:
            raise TypeTransformerFailedError(
                f"A pickled value of type {type_name(t)} cannot be read here: {type(e).__name__}: {e}."
            ) from e

    def matches(self, value: Any, t: Any) -> bool:
        return value is not None and t is not Any and isinstance(t, type) and isinstance(value, t)

    def guess(self, literal_type: types_pb2.LiteralType) -> Any:
        if literal_type.structure.tag == self.tag or "python_class_name" in literal_type.metadata.fields:
            return Any
        return None


def _content_hash(value: Any) -> str:
    """What stands for a set in names and cache keys: its pickle depends on the order, which differs between processes.

    Empty, and so without effect, for other values and for sets that cannot be sorted.
    """
    import cloudpickle

    if not isinstance(value, set | frozenset):
        return ""
    try:
        ordered = sorted(value)
    except TypeError:
        return ""
    return hashlib.md5(cloudpickle.dumps(ordered), usedforsecurity=False).hexdigest()
