"""Local mode: every test has a home of its own."""

from __future__ import annotations

import pathlib

import pytest


class WrittenDown:
    """A clock that does not wait, and writes down how long it should have."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    async def wait(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
def clock() -> WrittenDown:
    """A clock for `run_local`."""
    return WrittenDown()


@pytest.fixture(autouse=True)
def home(flyte_home: pathlib.Path) -> pathlib.Path:
    """`~/.flyte` of the test."""
    return flyte_home
