"""One event on one action, inside a transaction: read its state, decide, write, and say what is to be done after.

All changes of actions go through `apply`, so that each has a reason and a place in its run's change feed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta

from flyte.lifecycle.machine import (
    AbortChildren,
    ActionState,
    CloseAttempt,
    Event,
    Failure,
    ParentEnded,
    QueueAttempt,
    RetryBudget,
    StopProcess,
    decide,
)
from flyte.model.phase import ActionPhase
from flyte.model.retry import Backoff
from flyte.server.clock import micros
from flyte.server.executors.port import AttemptKey, Executor
from flyte.server.store.port import Row, Transaction

QUEUE = "queue"
"""The topic that wakes dispatch."""

GRACE_SECONDS = 5.0
"""How long a process has to end by itself after being asked to."""


def run_topic(run_id: int) -> str:
    """The topic of everything that changes in a run."""
    return f"run:{run_id}"


@dataclass(frozen=True, slots=True)
class Ending:
    """What is recorded about an attempt beside its phase."""

    exit_code: int | None = None
    signal: int | None = None
    peak_memory_bytes: int = 0
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class Effects:
    """What is to be done once the transaction is committed."""

    stops: list[tuple[AttemptKey, str]] = field(default_factory=list)

    async def carry_out(self, executor: Executor) -> None:
        """Do it."""
        for key, reason in self.stops:
            await executor.stop(key, reason, GRACE_SECONDS)


def state_of(row: Row) -> ActionState:
    """The part of an action's row that decisions depend on."""
    return ActionState(
        phase=ActionPhase(row["phase"]),
        attempt=row["attempt"],
        epoch=row["epoch"],
        user_failures=row["user_failures"],
        system_failures=row["system_failures"],
        budget=RetryBudget(user=row["user_retries"], backoff=backoff_from_text(row["backoff"])),
    )


def backoff_to_text(backoff: Backoff | None) -> str:
    """A back-off as it is kept."""
    if backoff is None:
        return ""
    cap = backoff.cap.total_seconds() if backoff.cap is not None else None
    return json.dumps([backoff.base.total_seconds(), backoff.factor, cap])


def backoff_from_text(text: str) -> Backoff | None:
    """A back-off as it was kept."""
    if not text:
        return None
    base, factor, cap = json.loads(text)
    return Backoff(timedelta(seconds=base), factor, None if cap is None else timedelta(seconds=cap))


async def apply(
    tx: Transaction,
    action_id: int,
    event: Event,
    now: int,
    effects: Effects,
    *,
    output_uri: str = "",
    ending: Ending | None = None,
) -> ActionState:
    """Let an event happen to an action.

    Args:
        output_uri: Where the outputs are, for a success.
        ending: What is recorded about the attempt that ends.

    Returns:
        The state after the event; the same as before for one that came too late.
    """
    # Children by a list, not by recursion: runs may be nested deeper than the interpreter's stack.
    waiting: list[tuple[int, Event]] = []
    state = await _apply_one(tx, action_id, event, now, effects, waiting, output_uri, ending or Ending())
    while waiting:
        child_id, child_event = waiting.pop()
        await _apply_one(tx, child_id, child_event, now, effects, waiting, "", Ending())
    return state


async def _apply_one(
    tx: Transaction,
    action_id: int,
    event: Event,
    now: int,
    effects: Effects,
    waiting: list[tuple[int, Event]],
    output_uri: str,
    ending: Ending,
) -> ActionState:
    row = await tx.one("actions.by_id", action_id=action_id)
    assert row is not None
    before = state_of(row)
    decision = decide(before, event)
    if not decision.changed:
        return before
    after = decision.state
    failure: Failure | None = None
    for command in decision.commands:
        match command:
            case CloseAttempt(phase, why):
                failure = why
                await _close_attempt(tx, row, phase, why, now, ending)
            case QueueAttempt(number, delay):
                await tx.run("attempts.add", action_id=action_id, number=number, ready_at=now + micros(delay), now=now)
                tx.publish(QUEUE)
            case StopProcess(reason):
                effects.stops.append((key_of(row), reason))
            case AbortChildren(reason):
                children = await tx.all("actions.unfinished_children", run_id=row["run_id"], parent=row["name"])
                waiting += [(child["id"], ParentEnded(reason)) for child in children]
    await _record(tx, row, after, decision.reason, failure, output_uri, now)
    if after.phase.is_terminal:
        tx.publish(QUEUE)  # a place is free
    return after


def key_of(row: Row) -> AttemptKey:
    """The newest attempt of an action, under its newest lease."""
    return AttemptKey(row["project"], row["domain"], row["run_name"], row["name"], row["attempt"], row["epoch"])


async def _close_attempt(
    tx: Transaction, row: Row, phase: ActionPhase, failure: Failure | None, now: int, ending: Ending
) -> None:
    await tx.run(
        "attempts.close",
        action_id=row["id"],
        number=row["attempt"],
        phase=phase.value,
        at=now,
        exit_code=ending.exit_code,
        signal=ending.signal,
        error_code=failure.code if failure else "",
        error_message=failure.message if failure else "",
        error_kind=failure.kind if failure else "",
        peak_memory_bytes=ending.peak_memory_bytes,
        cpu_seconds=ending.cpu_seconds,
    )


async def _record(
    tx: Transaction,
    row: Row,
    after: ActionState,
    reason: str,
    failure: Failure | None,
    output_uri: str,
    now: int,
) -> None:
    is_final_failure = failure is not None and after.phase is ActionPhase.FAILED
    started = row["started_at"]
    if started is None and after.phase in (ActionPhase.RUNNING, ActionPhase.SUCCEEDED):
        started = now
    revision = await next_revision(tx, row["run_id"])
    await tx.run(
        "actions.update",
        action_id=row["id"],
        phase=after.phase.value,
        reason=reason,
        attempt=after.attempt,
        epoch=after.epoch,
        user_failures=after.user_failures,
        system_failures=after.system_failures,
        error_code=failure.code if failure and is_final_failure else "",
        error_message=failure.message if failure and is_final_failure else "",
        error_kind=failure.kind if failure and is_final_failure else "",
        error_recoverable=int(failure.recoverable) if failure and is_final_failure else 0,
        abort_reason=reason if after.phase is ActionPhase.ABORTED else "",
        output_uri=output_uri or row["output_uri"],
        cache_status=row["cache_status"],
        revision=revision,
        started_at=started,
        ended_at=now if after.phase.is_terminal else None,
    )


async def next_revision(tx: Transaction, run_id: int) -> int:
    """The number of the next change of a run; wakes its watchers."""
    row = await tx.one("runs.next_revision", run_id=run_id)
    assert row is not None
    tx.publish(run_topic(run_id))
    return int(row["revision"])
