"""What a task meets in local mode: values, context, failures, retries, bounds of time, secrets, variables."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import enum
import logging
import os
import sys
import threading
from typing import Any, NamedTuple

import pytest

import flyte
import flyte.errors
from flyte.launch.running import RunOptions
from flyte.runtime.local.run import run_local

env = flyte.TaskEnvironment(name="local")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


class Pair(NamedTuple):
    first: int
    second: str


@env.task
def greet(name: str) -> str:
    return f"Hello, {name}!"


@env.task
async def greet_async(name: str) -> str:
    await asyncio.sleep(0)
    return f"Hello, {name}!"


@env.task
def nothing() -> None:
    return None


@env.task
def several(n: int) -> tuple[int, str]:
    return n, str(n)


@env.task
def pair(n: int) -> Pair:
    return Pair(n, str(n))


# What flyte.run gives.


@pytest.mark.parametrize("task", [greet, greet_async])
def test_the_text_of_a_run_is_its_value_and_its_repr_tells_what_it_is(task: Any) -> None:
    run = flyte.run(task, name="World")
    assert str(run) == "Hello, World!"
    assert repr(run).startswith(f"Run(name={run.name!r}, phase='succeeded'")
    assert (run.phase, run.status, run.done()) == ("succeeded", "SUCCEEDED", True)
    assert run.name.startswith("local-")
    assert run.wait() is None and run.raise_for_status() is None and run.first_failure() is None
    assert run.inputs() == {"name": "World"}
    assert run.action.name == "a0"
    assert run.outputs() == ("Hello, World!",) and run.outputs().o0 == "Hello, World!"


async def test_everything_of_a_run_can_be_awaited() -> None:
    run = await flyte.run.aio(greet_async, name="World")
    await run.wait.aio()
    assert (await run.outputs.aio())[0] == "Hello, World!"
    assert await run.details.aio() is run


def test_a_task_without_outputs_gives_none() -> None:
    run = flyte.run(nothing)
    assert run.outputs() == (None,)
    assert str(run) == "None"


@pytest.mark.parametrize("task", [several, pair])
def test_several_outputs_are_a_tuple_with_names(task: Any) -> None:
    run = flyte.run(task, 3)
    assert str(run) == "(3, '3')"
    assert run.outputs() == (3, "3")
    assert run.outputs().o1 == "3"


def test_the_name_of_the_run_can_be_given_and_is_checked() -> None:
    assert flyte.with_runcontext(mode="local", name="first").run(greet, "you").name == "first"
    with pytest.raises(flyte.errors.FlyteError, match="not a valid name"):
        flyte.with_runcontext(mode="local", name="Not good").run(greet, "you")


@pytest.mark.parametrize(
    ("args", "kwargs", "says"),
    [
        ((), {}, "Missing required inputs: name"),
        (("a", "b"), {}, "Too many positional arguments: 2 given"),
        ((), {"nme": "a"}, "no input is called 'nme'.*name"),
        (("a",), {"name": "b"}, "given twice"),
        ((3,), {}, "Type conversion failed for variable 'name' of task local.greet.*Expected str, got int: 3"),
    ],
)
def test_arguments_that_do_not_fit_are_told_in_a_sentence(args: tuple[Any, ...], kwargs: Any, says: str) -> None:
    with pytest.raises(flyte.errors.FlyteError, match=says) as caught:
        flyte.run(greet, *args, **kwargs)
    assert isinstance(caught.value, ValueError | TypeError)


# Values.


@env.task
def measure(length: float, where: Point, colour: Colour, when: dt.datetime | None = None) -> Point:
    assert type(length) is float and type(where) is Point and isinstance(colour, Colour)
    return Point(where.x + 1, length)


def test_values_are_coerced_where_that_loses_nothing() -> None:
    run = flyte.run(measure, length=2, where={"x": 1, "y": 2.0}, colour=Colour.RED)
    assert run.outputs()[0] == Point(2, 2.0)


@env.task
def spoil(numbers: list[int], point: Point, table: dict[str, int], free: dict) -> list[int]:
    numbers.append(0)
    point.x = -1
    table["z"] = 0
    free["z"] = 0
    return numbers


@env.task
def keeps_its_own() -> bool:
    numbers, point, table, free = [1], Point(1), {"a": 1}, {"a": [1]}
    given = spoil(numbers, point, table, free)
    given.append(5)
    return (numbers, point, table, free) == ([1], Point(1), {"a": 1}, {"a": [1]})


def test_a_child_gets_copies_of_values() -> None:
    assert flyte.run(keeps_its_own).outputs()[0] is True


@env.task(retries=2)
def spoils_and_fails(numbers: list[int], point: Point) -> int:
    numbers.append(0)
    point.x += 1
    if flyte.ctx().attempt_number < 2:
        raise ValueError("again")
    return len(numbers) * 10 + point.x


def test_each_attempt_gets_the_inputs_as_they_were(clock: Any) -> None:
    run = run_local(spoils_and_fails, ([1], Point(1)), {}, RunOptions(), clock)
    assert run.outputs()[0] == 22


@env.task
def lies() -> int:
    return "three"  # type: ignore[return-value]


@env.task
def says_too_much():  # type: ignore[no-untyped-def]
    return 3


@pytest.mark.parametrize(("task", "says"), [(lies, "'o0'.*Expected int, got str"), (says_too_much, "promises nothing")])
def test_a_result_that_is_not_what_was_promised_fails_the_task(task: Any, says: str) -> None:
    with pytest.raises(flyte.errors.RuntimeDataValidationError, match=says) as caught:
        flyte.run(task)
    assert caught.value.code == "DataValidationError"


# The context.


@env.task
def context_of_child() -> str:
    context = flyte.ctx()
    return f"{context.action.run_name} {context.action.name} {context.mode} {context.is_in_cluster()}"


@env.task
def contexts() -> list[str]:
    with flyte.group("g"):
        grouped = context_of_child()
    return [flyte.ctx().action.name, context_of_child(), context_of_child(), grouped]


def test_action_names_follow_from_the_calls_and_the_root_is_a0() -> None:
    first = flyte.with_runcontext(mode="local", name="one").run(contexts).outputs()[0]
    again = flyte.with_runcontext(mode="local", name="one").run(contexts).outputs()[0]
    assert first == again
    assert first[0] == "a0"
    assert len(set(first)) == 4
    assert all(text.startswith("one ") and text.endswith(" local False") for text in first[1:])


@env.task
def whole_context() -> dict[str, str]:
    return flyte.get_custom_context()


@env.task
def hands_down() -> list[dict[str, str]]:
    with flyte.custom_context(inner="2"):
        return [flyte.get_custom_context(), whole_context()]


def test_custom_context_reaches_the_children() -> None:
    run = flyte.with_runcontext(mode="local", custom_context={"outer": "1"}).run(hands_down)
    assert run.outputs()[0] == [{"outer": "1", "inner": "2"}] * 2


@env.task
def where_am_i() -> str:
    context = flyte.ctx()
    return (
        f"{flyte.current_project()}/{flyte.current_domain()} {context.run_start_time:%Y} {context.raw_data_path.path}"
    )


def test_scope_start_time_and_data_path_are_those_of_the_run(tmp_path: Any) -> None:
    run = flyte.with_runcontext(
        mode="local", project="p", domain="d", run_start_time=dt.datetime(1999, 1, 1), raw_data_path=str(tmp_path)
    ).run(where_am_i)
    assert str(run) == f"p/d 1999 {tmp_path}/a0"
    assert run.url == str(tmp_path)


# Where user code runs.


@env.task
def thread_name() -> str:
    return threading.current_thread().name


@env.task
async def thread_name_async() -> str:
    return threading.current_thread().name


@env.task
async def thread_of_children() -> list[str]:
    return [await thread_name_async(), await thread_name.aio()]


@env.task
def thread_of_sync_children() -> list[str]:
    return [thread_name(), asyncio.run(thread_name_async())]


def test_user_code_runs_in_the_main_thread() -> None:
    assert str(flyte.run(thread_name)) == "MainThread"
    assert str(flyte.run(thread_name_async)) == "MainThread"
    assert flyte.run(thread_of_sync_children).outputs()[0] == ["MainThread", "MainThread"]


def test_an_awaited_synchronous_child_has_a_thread_of_its_own() -> None:
    assert flyte.run(thread_of_children).outputs()[0] == ["MainThread", "flyte-local.thread_name"]


async def test_on_a_running_loop_both_forms_work() -> None:
    assert str(await flyte.run.aio(thread_name_async)) == "MainThread"
    assert str(flyte.run(thread_name_async)) == "flyte-bridge"
    assert str(flyte.run(thread_name)).startswith("flyte-")


# Failures.


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


RAISED: dict[str, BaseException] = {
    "ValueError": ValueError("bad thing"),
    "KeyError": KeyError("k"),
    "StopIteration": StopIteration(3),
    "Odd": Odd(),
    "CancelledError": asyncio.CancelledError("mine"),
    "AssertionError": AssertionError(),
    "MyCode": flyte.errors.CustomError("MyCode", "my message"),
}


@env.task
def fails(how: str) -> None:
    raise RAISED[how]


@env.task
async def fails_async(how: str) -> None:
    raise RAISED[how]


@env.task
def leaves() -> None:
    sys.exit(3)


@env.task
async def leaves_async() -> None:
    sys.exit(3)


@pytest.mark.parametrize("how", RAISED)
@pytest.mark.parametrize("form", ["sync", "async", "sync awaited"])
async def test_what_a_task_raises_is_a_user_error_with_the_class_as_code(how: str, form: str) -> None:
    task = fails_async if form == "async" else fails
    with pytest.raises(flyte.errors.RuntimeUserError) as caught:
        if form == "sync":
            await asyncio.to_thread(flyte.run, task, how)
        else:
            await flyte.run.aio(task, how)
    expected = how if (how, form) != ("StopIteration", "async") else "RuntimeError"  # Python's own rule for coroutines
    assert (caught.value.code, caught.value.kind) == (expected, "user")
    assert str(caught.value) or how == "AssertionError"


@pytest.mark.parametrize("task", [leaves, leaves_async])
def test_a_task_that_exits_has_failed_and_the_program_goes_on(task: Any) -> None:
    with pytest.raises(flyte.errors.RuntimeUserError, match=r"sys\.exit\(3\)"):
        flyte.run(task)


@env.task
def catches() -> str:
    try:
        fails("ValueError")
    except ValueError:
        return "the class itself, which another process could not have sent"
    except flyte.errors.RuntimeUserError as e:
        return f"{e.code}: {e}"
    return ""


@env.task
async def catches_async() -> str:
    found = await asyncio.gather(fails_async("ValueError"), fails.aio("KeyError"), return_exceptions=True)
    return " ".join(f"{type(e).__name__} {e.code}" for e in found)  # type: ignore[union-attr]


@env.task
def passes_on() -> None:
    fails("ValueError")


def test_a_parent_catches_the_failure_of_its_child() -> None:
    assert str(flyte.run(catches)) == "ValueError: bad thing"
    assert str(flyte.run(catches_async)) == "RuntimeUserError ValueError RuntimeUserError KeyError"


def test_a_failure_keeps_its_code_through_the_parents() -> None:
    with pytest.raises(flyte.errors.RuntimeUserError, match="bad thing") as caught:
        flyte.run(passes_on)
    assert caught.value.code == "ValueError"


@env.task
def calls_itself(n: int) -> int:
    return 0 if n == 0 else 1 + calls_itself(n - 1)


@env.task
async def calls_itself_async(n: int) -> int:
    return 0 if n == 0 else 1 + await calls_itself_async(n - 1)


def test_tasks_may_be_recursive() -> None:
    assert flyte.run(calls_itself, 20).outputs()[0] == 20
    assert flyte.run(calls_itself_async, 20).outputs()[0] == 20


def test_a_recursion_without_end_is_a_failure_of_the_task() -> None:
    with pytest.raises(flyte.errors.RuntimeUserError) as caught:
        flyte.run(calls_itself, 100_000)
    assert caught.value.code == "RecursionError"


@env.task
def interrupted() -> None:
    raise KeyboardInterrupt


@env.task
def interrupted_below() -> None:
    interrupted()


@env.task
async def interrupted_async() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("task", [interrupted, interrupted_below, interrupted_async])
def test_ctrl_c_is_no_failure_and_ends_the_run(task: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        flyte.run(task)


# Secrets, variables, and what is ignored.

secret_env = flyte.TaskEnvironment(name="secretive", secrets=[flyte.Secret("api-key", as_env_var="API_KEY"), "other"])


@secret_env.task
def tells() -> str:
    return os.environ["API_KEY"]


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "abc")
    monkeypatch.setenv("OTHER", "")
    assert str(flyte.run(tells)) == "abc"


def test_a_missing_secret_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_KEY", raising=False)
    monkeypatch.setenv("OTHER", "1")
    with pytest.raises(flyte.errors.InvalidValue, match=r"secretive.tells asks for the secret api-key.*set API_KEY"):
        flyte.run(tells)


inner_env = flyte.TaskEnvironment(name="inner", env_vars={"WHO": "inner", "INNER": "1"})
outer_env = flyte.TaskEnvironment(
    name="outer", env_vars={"WHO": "outer"}, image="registry/image:1", resources=flyte.Resources(cpu=64)
)


@inner_env.task
def who() -> str:
    return os.environ["WHO"] + os.environ["INNER"] + os.environ.get("RUN", "")


@outer_env.task
def who_around() -> list[str]:
    return [os.environ["WHO"], who(), os.environ["WHO"], os.environ.get("INNER", "none")]


def test_variables_live_for_the_task(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("WHO", "before")
    run = flyte.with_runcontext(mode="local", env_vars={"RUN": "2"}).run(who_around)
    assert run.outputs()[0] == ["outer", "inner12", "outer", "none"]
    assert os.environ["WHO"] == "before" and "INNER" not in os.environ and "RUN" not in os.environ
    assert "disagree" not in caplog.text


def test_what_local_mode_ignores_is_said_once_when_verbose(caplog: pytest.LogCaptureFixture) -> None:
    flyte.run(who_around)
    assert "ignores" not in caplog.text
    flyte.with_runcontext(mode="local", log_level=logging.INFO).run(who_around)
    assert caplog.text.count("image, resources of task outer.who_around") == 1
    assert logging.getLogger("flyte").level != logging.INFO


class Handle:
    """What a deployed task's handle looks like to a controller."""

    name = "elsewhere.task"


@env.task
async def calls_deployed() -> None:
    from flyte.authoring.controller import running

    state = running()
    assert state is not None
    await state.controller.call_deployed(Handle(), {})


def test_a_deployed_task_is_refused_inside_a_local_run() -> None:
    with pytest.raises(flyte.errors.RuntimeUserError, match=r"elsewhere.task runs on a backend, and this run is local"):
        flyte.run(calls_deployed)
