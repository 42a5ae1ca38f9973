"""Task objects: calling them, overriding them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

import flyte
from flyte.authoring.controller import Running, enter, running
from flyte.errors import (
    FeatureNotAvailable,
    InvalidType,
    InvalidValue,
    RuntimeUserError,
)
from flyte.model.context import ActionID, RawDataPath, TaskContext

env = flyte.TaskEnvironment("calls", env_vars={"A": "1"})
warm = flyte.TaskEnvironment("warm", reusable=flyte.ReusePolicy())


@env.task
def double(x: int) -> int:
    """Twice."""
    return 2 * x


@env.task(retries=3, timeout=60, cache="auto")
async def increment(x: int, by: int = 1) -> int:
    return x + by


@warm.task
async def kept(x: int) -> int:
    return x


@env.task
def failing() -> None:
    raise ValueError("no")


class Recording:
    """A controller that only notes what it is asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = []

    def call(self, task: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        self.calls.append(("call", task.name, args, dict(kwargs)))
        return "called"

    async def call_async(self, task: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        self.calls.append(("call_async", task.name, args, dict(kwargs)))
        return "awaited"

    async def call_deployed(self, task: Any, kwargs: Mapping[str, Any]) -> Any:
        raise NotImplementedError


def inside(controller: Recording) -> Any:
    context = TaskContext(
        action=ActionID(name="a0"),
        version="",
        raw_data_path=RawDataPath(path="/x"),
        output_path="/x",
        run_base_dir="/x",
    )
    return enter(Running(context, controller))


async def test_outside_a_task_a_call_is_a_plain_call() -> None:
    assert await increment(1, by=2) == 3
    assert await asyncio.gather(increment(1), increment(2)) == [2, 3]


def test_outside_a_task_nothing_is_checked_or_wrapped() -> None:
    assert double("ab") == "abab"  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^no$"):
        failing()
    assert double.forward(4) == 8
    assert double.func(4) == 8
    assert double.__wrapped__(4) == 8  # type: ignore[attr-defined]
    assert (double.__name__, double.__doc__) == ("double", "Twice.")  # type: ignore[attr-defined]


async def test_outside_a_task_aio_is_a_plain_call_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "flyte"):
        assert await double.aio(2) == 4
        assert await increment.aio(2) == 3
    assert "Task calls.double was called with .aio() outside a task: it runs as a plain function." in caplog.text


def test_inside_a_task_a_synchronous_call_blocks_for_a_child() -> None:
    controller = Recording()
    with inside(controller):
        assert double(1) == "called"
    assert controller.calls == [("call", "calls.double", (1,), {})]
    assert running() is None


async def test_inside_a_task_an_asynchronous_call_is_awaited() -> None:
    controller = Recording()
    with inside(controller):
        assert await increment(1, by=2) == "awaited"
        assert await double.aio(3) == "awaited"
        assert await asyncio.gather(increment(4), double.aio(5)) == ["awaited", "awaited"]
    assert controller.calls == [
        ("call_async", "calls.increment", (1,), {"by": 2}),
        ("call_async", "calls.double", (3,), {}),
        ("call_async", "calls.increment", (4,), {}),
        ("call_async", "calls.double", (5,), {}),
    ]


async def test_on_a_running_loop_the_call_of_a_synchronous_task_is_awaited() -> None:
    controller = Recording()
    with inside(controller):
        assert await double(1) == "awaited"  # type: ignore[misc]  # a type checker sees the result
    assert controller.calls == [("call_async", "calls.double", (1,), {})]


async def test_whether_code_is_in_a_task_follows_threads_of_asyncio() -> None:
    with inside(Recording()):
        assert await asyncio.to_thread(double, 1) == "called"


def test_override_gives_a_new_task_and_falsy_values_keep() -> None:
    changed = increment.override(
        short_name="inc",
        resources=flyte.Resources(cpu=2),
        env_vars={"B": "2"},
        queue="q",
        interruptible=True,
        report=True,
    )
    assert changed is not increment
    assert type(changed) is type(increment)
    assert (changed.name, changed.short_name, changed.queue) == ("calls.increment", "inc", "q")
    assert (changed.interruptible, changed.report, changed.env_vars) == (True, True, {"B": "2"})
    assert (increment.short_name, increment.env_vars, increment.report) == ("increment", {"A": "1"}, False)
    kept_all = increment.override(retries=0, timeout=0, env_vars={}, short_name="", queue=None)
    assert (kept_all.retries, kept_all.timeout, kept_all.env_vars) == (flyte.RetryStrategy(3), 60, {"A": "1"})
    assert increment.override(retries=flyte.RetryStrategy(0)).retries == flyte.RetryStrategy(0)
    assert increment.override(retries=5).retries == flyte.RetryStrategy(5)
    assert changed.override(interruptible=False).interruptible is False
    assert increment.override(cache="disable").cache.behavior == "disable"  # type: ignore[union-attr]
    assert changed.parent_env is increment.parent_env


async def test_an_overridden_task_can_be_called() -> None:
    assert await increment.override(retries=1)(1) == 2


@pytest.mark.parametrize("name", ["name", "image", "docs", "interface"])
def test_what_a_task_is_cannot_be_overridden(name: str) -> None:
    sentence = rf"{name} of task calls\.double cannot be overridden; declare another task or environment"
    with pytest.raises(InvalidValue, match=sentence):
        double.override(**{name: "x"})


def test_unknown_and_wrong_settings_of_an_override_are_named() -> None:
    with pytest.raises(TypeError, match=r"override\(\) of task calls\.double got unknown settings: foo"):
        double.override(foo=1)
    with pytest.raises(InvalidType, match=r"Task calls\.double: resources must be a flyte\.Resources, not '2'"):
        double.override(resources="2")  # type: ignore[arg-type]
    with pytest.raises(
        FeatureNotAvailable, match=r"Task calls\.double: no task plug-in is registered for builtins\.int"
    ):
        double.override(plugin_config=3)


@pytest.mark.parametrize(
    "settings",
    [
        {"resources": flyte.Resources(cpu=1)},
        {"env_vars": {"A": "1"}},
        {"secrets": "key"},
        {"service_account": "x"},
        {"resources": flyte.Resources(cpu=1), "reusable": flyte.ReusePolicy(replicas=3)},
    ],
)
def test_shared_workers_cannot_be_overridden_unless_reuse_is_off(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=r'Task warm\.kept runs in a reusable environment.* unless reusable="off"'):
        kept.override(**settings)
    off = kept.override(**{**settings, "reusable": "off"})
    assert off.reusable is None


def test_other_settings_of_shared_workers_can_be_overridden() -> None:
    assert kept.override(reusable=flyte.ReusePolicy(replicas=3)).reusable.max_replicas == 3  # type: ignore[union-attr]
    assert kept.override(retries=2, pod_template="x").reusable is kept.reusable
    with pytest.raises(InvalidValue, match=r"Task calls\.double is synchronous"):
        double.override(reusable=flyte.ReusePolicy(concurrency=4))


def test_a_task_says_what_it_is() -> None:
    assert (
        repr(increment)
        == "AsyncFunctionTaskTemplate(name='calls.increment', interface=(x: int, by: int = 1) -> o0: int)"
    )
    assert increment.native_interface is increment.interface
    assert increment.source_file == __file__
    assert increment.is_async
    assert not double.is_async
    assert not hasattr(double, "json_schema")
    with pytest.raises(FeatureNotAvailable, match=r"docs/compatibility\.md"):
        _ = double.json_schema


def test_the_cache_version_is_known_for_every_task() -> None:
    assert len(double.cache_version()) == 64
    assert double.cache_version() != increment.cache_version()
    fixed = double.override(cache=flyte.Cache("override", version_override="7"))
    assert fixed.cache_version() == "7"


def test_a_task_without_a_function_cannot_be_called() -> None:
    template = flyte.TaskTemplate(name="t", interface=flyte.models.NativeInterface({}, {}))
    with pytest.raises(InvalidType, match="Task t has no function to call"):
        template()
    assert template.source_file is None


# In a run.


@env.task
def parent(x: int) -> int:
    return double(x) + double(x)


@env.task
async def async_parent(x: int) -> list[int]:
    return list(await asyncio.gather(increment(x), increment.aio(x), double.aio(x)))


@env.task
async def blocking_parent(x: int) -> int:
    return double(x)


@env.task
async def awaiting_parent(x: int) -> int:
    return await double(x)  # type: ignore[misc]  # a type checker sees the result


@env.task
def who(x: int) -> str:
    return flyte.ctx().action.name


@env.task
def names() -> list[str]:
    with flyte.group("g"):
        grouped = who(1)
    return [who(1), who(1), grouped]


@env.task
def catching() -> str:
    try:
        failing()
    except RuntimeUserError as e:
        return f"{e.code}: {e}"
    return "nothing"


@pytest.mark.usefixtures("flyte_home")
class TestInALocalRun:
    """A call inside a task is a child action in local mode too."""

    def test_synchronous_tasks_call_each_other(self) -> None:
        assert flyte.run(parent, 3).outputs()[0] == 12

    def test_asynchronous_tasks_gather_children_of_both_kinds(self) -> None:
        assert flyte.run(async_parent, x=3).outputs()[0] == [4, 4, 6]

    def test_a_synchronous_call_in_an_asynchronous_task_is_awaited_or_refused(self) -> None:
        assert flyte.run(awaiting_parent, 1).outputs()[0] == 2
        with pytest.raises(
            RuntimeUserError, match=r"calls\.double was called on .* write `await double\(\.\.\.\)`"
        ) as e:
            flyte.run(blocking_parent, 1)
        assert e.value.code == "SyncTaskCallInAsyncContextError"

    def test_equal_calls_and_groups_have_names_of_their_own(self) -> None:
        assert len(set(flyte.run(names).outputs()[0])) == 3

    def test_a_childs_failure_is_a_user_error_with_its_class_as_code(self) -> None:
        assert flyte.run(catching).outputs()[0] == "ValueError: no"
