"""Parents never keep their children from running, however few places there are."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

import flyte

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def narrow(backend: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A backend with a single place."""
    made = type(backend)(tmp_path_factory.mktemp("narrow"), options=["--slots", "1"]).start()
    yield made
    made.stop()


def test_a_deep_chain_finishes_with_one_place(pipeline: Any, narrow: Any) -> None:
    flyte.init_from_config(narrow.config, root_dir=HERE)
    assert flyte.run(pipeline.nested_sync, depth=12).outputs()[0] == 13


def test_a_wide_tree_finishes_with_one_place(pipeline: Any, narrow: Any) -> None:
    flyte.init_from_config(narrow.config, root_dir=HERE)
    assert flyte.run(pipeline.nested, depth=2, width=4).outputs()[0] == 21
