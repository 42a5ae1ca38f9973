"""Value types and strategies that several tests of types share."""

from __future__ import annotations

import enum

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

DETERMINISTIC = settings(
    max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


class Color(enum.Enum):
    """Texts as values that are not the names."""

    RED = "r"
    BLUE = "b"


class Rank(enum.IntEnum):
    """Whole numbers."""

    ONE = 1
    TWO = 2


INTEGERS = st.integers(-(2**63), 2**63 - 1)
SMALL = st.integers(-(2**31), 2**31)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
