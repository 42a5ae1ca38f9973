"""Programs of this folder, as the user's own modules."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

HERE = pathlib.Path(__file__).parent
DEADLINE = 60.0


def load(name: str) -> ModuleType:
    """Import a program of this folder as its own module."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def outcomes() -> ModuleType:
    return load("outcomes")


@pytest.fixture(scope="module")
def fanout() -> ModuleType:
    return load("fanout")


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
