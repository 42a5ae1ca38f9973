"""Programs of this folder, as the user's own modules."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import import_program

HERE = pathlib.Path(__file__).parent
DEADLINE = 60.0


@pytest.fixture(scope="module")
def outcomes() -> ModuleType:
    return import_program(HERE / "outcomes.py")


@pytest.fixture(scope="module")
def fanout() -> ModuleType:
    return import_program(HERE / "fanout.py")


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Wait for something that the outside world brings about."""

    def wait(holds: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, f"waited in vain for: {what}"
            time.sleep(0.02)
        return found

    return wait
