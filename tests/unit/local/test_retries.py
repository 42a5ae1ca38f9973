"""Retries and bounds of time in local mode."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from typing import Any

import pytest

import flyte
import flyte.errors
from flyte.launch.running import RunOptions
from flyte.runtime.local.run import run_local, run_local_async

env = flyte.TaskEnvironment(name="retried")


@env.task(retries=3)
def fourth_time() -> int:
    if flyte.ctx().attempt_number < 3:
        raise ValueError("not yet")
    return flyte.ctx().attempt_number


@env.task(retries=flyte.RetryStrategy(3, flyte.Backoff(dt.timedelta(seconds=2), 3.0, dt.timedelta(seconds=10))))
async def fourth_time_async() -> int:
    if flyte.ctx().attempt_number < 3:
        raise ValueError("not yet")
    return flyte.ctx().attempt_number


@pytest.mark.parametrize(("task", "waits"), [(fourth_time, [0.5, 1, 2]), (fourth_time_async, [2, 6, 10])])
def test_a_failed_attempt_is_followed_by_another_after_a_growing_wait(
    clock: Any, task: Any, waits: list[float]
) -> None:
    assert run_local(task, (), {}, RunOptions(), clock).outputs()[0] == 3
    assert clock.waits == waits


async def test_awaited_runs_wait_without_blocking(clock: Any) -> None:
    run = await run_local_async(fourth_time, (), {}, RunOptions(), clock)
    assert run.outputs()[0] == 3
    assert clock.waits == [0.5, 1, 2]


attempts: list[int] = []


@env.task(retries=2)
def never(final: bool) -> None:
    attempts.append(flyte.ctx().attempt_number)
    if final:
        raise flyte.errors.NonRecoverableError("no use")
    raise ValueError("never")


@env.task(retries=1)
def parent_of_never() -> None:
    attempts.append(-1)
    never(True)


def test_the_budget_of_retries_ends(clock: Any) -> None:
    attempts.clear()
    with pytest.raises(flyte.errors.RuntimeUserError, match="never"):
        run_local(never, (False,), {}, RunOptions(), clock)
    assert attempts == [0, 1, 2]


def test_a_non_recoverable_error_is_not_retried_but_its_parent_may_be(clock: Any) -> None:
    attempts.clear()
    with pytest.raises(flyte.errors.RuntimeUserError, match="no use") as caught:
        run_local(parent_of_never, (), {}, RunOptions(), clock)
    assert caught.value.code == "NonRecoverableError"
    assert attempts == [-1, 0, -1, 0]


def test_an_override_counts(clock: Any) -> None:
    attempts.clear()
    with pytest.raises(flyte.errors.RuntimeUserError):
        run_local(never.override(retries=flyte.RetryStrategy(0)), (False,), {}, RunOptions(), clock)
    assert attempts == [0]


# Bounds of time.

released = threading.Event()
cancelled: list[str] = []


@env.task(timeout=dt.timedelta(seconds=0.05))
async def too_long_async() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        cancelled.append("yes")
        raise


@env.task(timeout=dt.timedelta(seconds=0.05))
async def too_long_and_stubborn() -> int:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        pass
    return 1


@env.task(timeout=dt.timedelta(seconds=0.05))
def too_long() -> None:
    released.wait(30)


@env.task
async def awaits_too_long() -> None:
    await too_long.aio()


@env.task(timeout=60)
def soon_enough() -> str:
    return threading.current_thread().name


@pytest.mark.parametrize("task", [too_long_async, too_long_and_stubborn])
def test_an_asynchronous_task_is_cancelled_when_it_takes_too_long(task: Any) -> None:
    cancelled.clear()
    with pytest.raises(flyte.errors.MaxRuntimeExceededError, match=f"{task.name} ran longer than 0.05 seconds"):
        flyte.run(task)
    assert task is not too_long_async or cancelled == ["yes"]


@pytest.mark.parametrize(("task", "code"), [(too_long, None), (awaits_too_long, "MaxRuntimeExceededError")])
def test_a_synchronous_task_raises_at_its_caller_and_its_thread_is_named(
    task: Any, code: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    released.clear()
    try:
        with pytest.raises(flyte.errors.RuntimeUserError, match=r"retried.too_long ran longer") as caught:
            flyte.run(task)
    finally:
        released.set()
    # A parent sees its child's timeout as any failure; the run did not time out itself.
    assert isinstance(caught.value, flyte.errors.MaxRuntimeExceededError) is (code is None)
    assert "its thread flyte-retried.too_long still runs" in caplog.text


def test_a_bounded_synchronous_task_that_is_in_time_gives_its_value() -> None:
    assert str(flyte.run(soon_enough)) == "flyte-retried.soon_enough"


@env.task(retries=5, timeout=flyte.Timeout(deadline=4))
def fails_until_the_deadline() -> None:
    raise ValueError("again")


@env.task(retries=5, timeout=flyte.Timeout(deadline=dt.timedelta(seconds=0.05)))
async def waits_past_the_deadline() -> None:
    await asyncio.sleep(60)


def test_no_attempt_begins_after_the_deadline(clock: Any) -> None:
    with pytest.raises(flyte.errors.DeadlineExceededError, match="not done within 4 seconds") as caught:
        run_local(fails_until_the_deadline, (), {}, RunOptions(), clock)
    assert clock.waits == [0.5, 1, 2]
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_attempt_ends_at_the_deadline_of_the_action_and_there_is_no_other(clock: Any) -> None:
    with pytest.raises(flyte.errors.DeadlineExceededError):
        run_local(waits_past_the_deadline, (), {}, RunOptions(), clock)
    assert clock.waits == []
