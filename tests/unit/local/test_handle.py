"""The run that local mode gives back has what a run on a backend has."""

from __future__ import annotations

from typing import Any

import pytest

import flyte
from flyte.errors import InvalidValue
from flyte.remote import Run
from flyte.runtime.local.handle import LocalRun

env = flyte.TaskEnvironment("handled")

FINDING = {"get", "listall", "scope"}
"""Members that find runs on a backend, or say where on it they are."""


@env.task
def pair(x: int, text: str = "a") -> tuple[int, str]:
    return x, text


@env.task
def nothing() -> None:
    return None


def test_it_has_every_member_of_a_run_on_a_backend() -> None:
    wanted = {name for name in dir(Run) if not name.startswith("_")} - FINDING
    assert wanted <= set(dir(LocalRun))


def test_its_values_come_as_literals_and_in_other_types() -> None:
    run = flyte.run(pair, 3)
    assert run.output_literals()["o0"].scalar.primitive.integer == 3
    assert run.input_literals()["text"].scalar.primitive.string_value == "a"
    assert run.typed_outputs({"o0": int, "o1": str}) == {"o0": 3, "o1": "a"}
    assert run.typed_inputs({"x": int}, {int: str}) == {"x": "3"}
    with pytest.raises(InvalidValue, match=r"There is no 'o7'; there are o0, o1\."):
        run.typed_outputs({"o7": int})
    assert flyte.run(nothing).output_literals() == {}


def test_it_is_labelled_and_over() -> None:
    run = flyte.with_runcontext(labels={"team": "a"}).run(nothing)
    assert run.labels == {"team": "a"}
    assert (run.raw_phase, run.phase.value, run.done()) == (5, "succeeded", True)


async def test_it_can_be_awaited_watched_and_read() -> None:
    run: Any = await flyte.run.aio(pair, 1)
    await run.wait.aio()
    assert [step async for step in run.watch()] == [run]
    assert [line async for line in run.get_logs.aio()] == []
    assert list(run.get_logs()) == []
    assert (await run.typed_outputs.aio({"o1": str})) == {"o1": "a"}
