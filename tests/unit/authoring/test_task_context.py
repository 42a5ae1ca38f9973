"""`flyte.ctx()`, groups and custom context."""

from __future__ import annotations

import pytest

import flyte
from flyte.errors import InvalidType, InvalidValue

env = flyte.TaskEnvironment("contexts")


@env.task
def inner() -> dict[str, str]:
    return flyte.get_custom_context()


@env.task
def outer() -> list[dict[str, str]]:
    with flyte.custom_context(a="1", b="2"):
        with flyte.custom_context(b="3"):
            deep = inner()
        shallow = inner()
    return [deep, shallow, inner()]


@env.task
async def look() -> list[str]:
    context = flyte.ctx()
    return [str(context.mode), str(bool(context)), str(context.is_in_cluster()), str(context.action.run_name)]


def test_outside_a_task_the_context_is_falsy() -> None:
    assert not flyte.ctx()
    assert flyte.ctx().action is None
    assert flyte.get_custom_context() == {}


@pytest.mark.parametrize("name", ["", "x" * 256, 3])
def test_a_group_has_a_name(name: str) -> None:
    with pytest.raises(InvalidValue, match="A group needs a name of 1 to 255 characters"), flyte.group(name):
        pass


def test_custom_context_is_text() -> None:
    wanted = pytest.raises(InvalidType, match=r"custom_context\(a=…\) must be text, not int")
    with wanted, flyte.custom_context(a=1):  # type: ignore[arg-type]
        pass


def test_groups_and_custom_context_do_nothing_outside_a_task() -> None:
    with flyte.group("g"), flyte.custom_context(a="1"):
        assert flyte.get_custom_context() == {}
        assert not flyte.ctx()


@pytest.mark.usefixtures("flyte_home")
def test_custom_context_is_handed_down_and_put_back() -> None:
    assert flyte.run(outer).outputs()[0] == [{"a": "1", "b": "3"}, {"a": "1", "b": "2"}, {}]
    run = flyte.with_runcontext(custom_context={"a": "0"}).run(outer)
    assert run.outputs()[0][2] == {"a": "0"}


@pytest.mark.usefixtures("flyte_home")
def test_inside_a_task_the_context_says_where_it_is() -> None:
    run = flyte.run(look)
    assert run.outputs()[0] == ["local", "True", "False", run.name]
