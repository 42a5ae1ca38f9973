"""What happens to an action, event by event.

An action is queued, gets attempts one after the other, and ends in one terminal phase that is never left. An
attempt acts under an epoch; what a past epoch says changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from flyte.model.phase import ActionPhase
from flyte.model.retry import Backoff

SYSTEM_RETRIES = 3
"""Further attempts after failures that are not the user's; counted apart from the user's retries."""

FailureKind = Literal["user", "system"]


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How many further attempts an action gets."""

    user: int = 0
    system: int = SYSTEM_RETRIES
    backoff: Backoff | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed."""

    code: str
    message: str
    kind: FailureKind
    recoverable: bool = True


@dataclass(frozen=True, slots=True)
class ActionState:
    """All of an action that decisions depend on.

    Args:
        attempt: The number of the newest attempt, counting from 1.
        epoch: Grows with every lease; only its holder can commit.
        user_failures, system_failures: Failed attempts so far, by whose fault it was.
    """

    phase: ActionPhase = ActionPhase.QUEUED
    attempt: int = 1
    epoch: int = 0
    user_failures: int = 0
    system_failures: int = 0
    budget: RetryBudget = RetryBudget()


# Events.


@dataclass(frozen=True, slots=True)
class Leased:
    """An executor took the newest attempt."""


@dataclass(frozen=True, slots=True)
class Started:
    """The attempt's process runs."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt left its outputs."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt left an error, or was lost."""

    epoch: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The attempt was ended because its backend was stopped; nobody failed, so no budget pays for the next one."""

    epoch: int


@dataclass(frozen=True, slots=True)
class AbortRequested:
    """Someone wants the action to end."""

    reason: str


@dataclass(frozen=True, slots=True)
class ParentEnded:
    """The parent is over, so nobody waits for this action any more."""

    reason: str


Event = Leased | Started | Succeeded | Failed | Interrupted | AbortRequested | ParentEnded


# Commands.


@dataclass(frozen=True, slots=True)
class QueueAttempt:
    """Make attempt `number`, to be started no sooner than `delay` from now."""

    number: int
    delay: timedelta


@dataclass(frozen=True, slots=True)
class CloseAttempt:
    """The newest attempt is over, in this phase."""

    phase: ActionPhase
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class StopProcess:
    """End the newest attempt's process group, if one lives."""

    reason: str


@dataclass(frozen=True, slots=True)
class AbortChildren:
    """The action is over: whatever it started and nobody awaits any more ends too."""

    reason: str


Command = QueueAttempt | CloseAttempt | StopProcess | AbortChildren


@dataclass(frozen=True, slots=True)
class Decision:
    """What an event does.

    Args:
        state: The state after it.
        commands: What is to be done, in order.
        reason: Why, in words that are kept and can be asked for.
    """

    state: ActionState
    commands: tuple[Command, ...] = ()
    reason: str = ""

    @property
    def changed(self) -> bool:
        """False for an event that came too late or twice."""
        return bool(self.commands) or bool(self.reason)


def decide(state: ActionState, event: Event) -> Decision:
    """The whole machine. Total: every event in every state has an answer, and late ones change nothing."""
    if state.phase.is_terminal:
        return Decision(state)
    match event:
        case Leased():
            if state.phase is not ActionPhase.QUEUED:
                return Decision(state)
            leased = replace(state, phase=ActionPhase.INITIALIZING, epoch=state.epoch + 1)
            return Decision(leased, reason=f"attempt {state.attempt} was handed to an executor")
        case Started(epoch):
            if epoch != state.epoch or state.phase is not ActionPhase.INITIALIZING:
                return Decision(state)
            return Decision(replace(state, phase=ActionPhase.RUNNING), reason="its process runs")
        case Succeeded(epoch):
            if epoch != state.epoch or state.phase is ActionPhase.QUEUED:
                return Decision(state)
            done = replace(state, phase=ActionPhase.SUCCEEDED)
            children = AbortChildren("the parent succeeded without waiting for this action")
            return Decision(done, (CloseAttempt(ActionPhase.SUCCEEDED), children), "it left its outputs")
        case Failed(epoch, failure):
            if epoch != state.epoch or state.phase is ActionPhase.QUEUED:
                return Decision(state)
            return _failed(state, failure)
        case Interrupted(epoch):
            if epoch != state.epoch or state.phase is ActionPhase.QUEUED:
                return Decision(state)
            return _interrupted(state)
        case AbortRequested(reason) | ParentEnded(reason):
            commands: list[Command] = [CloseAttempt(ActionPhase.ABORTED)]
            if state.phase is not ActionPhase.QUEUED:
                commands.append(StopProcess(reason))
            # Below the first level the reason is passed on as it is, or it would grow with every level.
            why = f"the parent was aborted: {reason}" if isinstance(event, AbortRequested) else reason
            commands.append(AbortChildren(why))
            return Decision(replace(state, phase=ActionPhase.ABORTED), tuple(commands), reason)


def _failed(state: ActionState, failure: Failure) -> Decision:
    is_user = failure.kind == "user"
    counted = replace(
        state,
        user_failures=state.user_failures + is_user,
        system_failures=state.system_failures + (not is_user),
    )
    closed = CloseAttempt(ActionPhase.FAILED, failure)
    used, allowed = (
        (counted.user_failures, state.budget.user) if is_user else (counted.system_failures, state.budget.system)
    )
    if failure.recoverable and used <= allowed:
        delay = retry_delay(state.budget, used - 1) if is_user else timedelta(seconds=0)
        again = replace(counted, phase=ActionPhase.QUEUED, attempt=state.attempt + 1)
        why = f"{failure.kind} failure {used} of at most {allowed + 1}: {failure.code}"
        return Decision(again, (closed, QueueAttempt(again.attempt, delay)), why)
    ended = replace(counted, phase=ActionPhase.FAILED)
    why = "the error is not recoverable" if not failure.recoverable else f"all {allowed + 1} attempts are used"
    return Decision(ended, (closed, AbortChildren("the parent failed")), f"{failure.code}: {why}")


def _interrupted(state: ActionState) -> Decision:
    why = "the backend was stopped while the attempt ran"
    again = replace(state, phase=ActionPhase.QUEUED, attempt=state.attempt + 1)
    closed = CloseAttempt(ActionPhase.FAILED, Failure("Interrupted", f"Ended because {why}.", "system"))
    return Decision(again, (closed, QueueAttempt(again.attempt, timedelta(0))), f"{why}; it is started again")


def retry_delay(budget: RetryBudget, n: int) -> timedelta:
    """The wait before user retry `n`, counting from 0."""
    return budget.backoff.compute_delay(n) if budget.backoff is not None else timedelta(0)
