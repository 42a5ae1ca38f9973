"""The examples in docstrings are true."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import pathlib
from datetime import timedelta

import pytest

import flyte

SOURCES = pathlib.Path(next(iter(flyte.__path__)))
MODULES = [
    f"flyte.{folder}.{file.stem}"
    for folder in ("model", "authoring")
    for file in sorted((SOURCES / folder).glob("[a-z]*.py"))
]
WITH_EXAMPLES = {
    "flyte.model.automation", "flyte.model.image", "flyte.model.image_layering", "flyte.model.outcome",
    "flyte.model.phase", "flyte.model.pod", "flyte.model.quantity", "flyte.model.requirement", "flyte.model.resources",
    "flyte.model.retry", "flyte.model.trigger", "flyte.authoring.context", "flyte.authoring.environment",
    "flyte.authoring.mapping", "flyte.authoring.task",
}  # fmt: skip


@pytest.mark.usefixtures("flyte_home")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    module = importlib.import_module(name)
    names = {"flyte": flyte, "asyncio": asyncio, "timedelta": timedelta, "env": flyte.TaskEnvironment("examples")}
    result = doctest.testmod(module, extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
    assert (result.attempted > 0) == (name in WITH_EXAMPLES)
