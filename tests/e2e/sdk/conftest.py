"""The program that the tests of this folder run."""

from __future__ import annotations

import pathlib
from types import ModuleType

import pytest

from tests.conftest import import_program

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def pipeline() -> ModuleType:
    """The user's program, imported as its own module."""
    return import_program(HERE / "pipeline.py")
