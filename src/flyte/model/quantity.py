"""Kubernetes-style quantities: `500m`, `2`, `1.5`, `2Gi`."""

from __future__ import annotations

import re

from flyte.errors import InvalidValue

_QUANTITY = re.compile(r"^(?P<number>\d+(?:\.\d*)?|\.\d+)(?P<suffix>m|[kKMGTPE]i?|e\d+)?$")
_LARGEST = 2.0**63
_FACTORS = {
    "": 1.0,
    "m": 1e-3,
    "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


def parse_quantity(text: str | float, what: str) -> float:
    """The value of a quantity in its base unit (cores or bytes).

    Raises:
        InvalidValue: The text is not a quantity, or it is negative; the sentence names `what`.

    Example:
        >>> parse_quantity("2Gi", "memory")
        2147483648.0
    """
    if isinstance(text, int | float):
        if not text >= 0:
            raise InvalidValue(f"{what} must be zero or more, not {text!r}.")
        if text > _LARGEST:
            raise InvalidValue(f"{what} is more than any machine has.")
        return float(text)
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise InvalidValue(f"{what}={text!r} is not a quantity. Write a number with a unit, '500m' or '2Gi' say.")
    suffix = match["suffix"] or ""
    if not suffix.startswith("e") and suffix not in _FACTORS:
        raise InvalidValue(f"{what}={text!r} has an unknown unit {suffix!r}. Use m, Ki, Mi, Gi, Ti, k, M, G or T.")
    written = match["number"]
    number = float(written + suffix) if suffix.startswith("e") else float(written) * _FACTORS[suffix]
    if number > _LARGEST:
        raise InvalidValue(f"{what}={text!r} is more than any machine has.")
    return number
