"""An open executor, on a data folder of its own."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.using_executor import Used, acknowledge_all


@pytest.fixture
def data() -> Any:
    with tempfile.TemporaryDirectory(prefix="fx") as folder:
        yield pathlib.Path(folder)


@pytest.fixture
async def used(data: pathlib.Path) -> AsyncIterator[Used]:
    opened = await Used(data).open()
    yield opened
    await acknowledge_all(opened)
    await opened.close(grace=0.2)
