"""The program that the tests of this folder run."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from types import ModuleType

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def pipeline() -> ModuleType:
    """The user's program, imported as its own module."""
    spec = importlib.util.spec_from_file_location("pipeline", HERE / "pipeline.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pipeline"] = module
    spec.loader.exec_module(module)
    return module
