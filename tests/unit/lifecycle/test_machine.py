"""The state machine of an action: each event in each state, and what no order of events can break."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from flyte.lifecycle.machine import (
    AbortChildren,
    AbortRequested,
    ActionState,
    CloseAttempt,
    Decision,
    Event,
    Failed,
    Failure,
    Leased,
    ParentEnded,
    QueueAttempt,
    RetryBudget,
    Started,
    StopProcess,
    Succeeded,
    decide,
)
from flyte.model.phase import ActionPhase
from flyte.model.retry import Backoff

BUG = Failure("ValueError", "no", "user")
LOST = Failure("Lost", "gone", "system")
FINAL = Failure("NonRecoverable", "no", "user", recoverable=False)

RUNNING = ActionState(ActionPhase.RUNNING, attempt=1, epoch=1)


def test_an_action_goes_from_the_queue_to_its_success() -> None:
    leased = decide(ActionState(), Leased())
    assert (leased.state.phase, leased.state.epoch, leased.commands) == (ActionPhase.INITIALIZING, 1, ())
    running = decide(leased.state, Started(1))
    assert running.state.phase is ActionPhase.RUNNING
    done = decide(running.state, Succeeded(1))
    assert done.state.phase is ActionPhase.SUCCEEDED
    assert done.commands[0] == CloseAttempt(ActionPhase.SUCCEEDED)
    assert isinstance(done.commands[1], AbortChildren)


def test_a_success_may_be_told_before_the_start() -> None:
    state = ActionState(ActionPhase.INITIALIZING, epoch=1)
    assert decide(state, Succeeded(1)).state.phase is ActionPhase.SUCCEEDED


def test_a_user_failure_within_the_budget_queues_the_next_attempt_after_its_wait() -> None:
    backoff = Backoff(timedelta(seconds=1), 2.0, timedelta(seconds=3))
    state = ActionState(ActionPhase.RUNNING, 1, 1, budget=RetryBudget(user=3, backoff=backoff))
    waits = []
    for attempt in (2, 3, 4):
        decision = decide(state, Failed(state.epoch, BUG))
        assert decision.commands[0] == CloseAttempt(ActionPhase.FAILED, BUG)
        command = decision.commands[1]
        assert isinstance(command, QueueAttempt) and command.number == attempt
        waits.append(command.delay.total_seconds())
        state = decide(decision.state, Leased()).state
    assert waits == [1, 2, 3]
    assert decide(state, Failed(state.epoch, BUG)).state.phase is ActionPhase.FAILED


def test_system_failures_have_a_budget_of_their_own() -> None:
    state = ActionState(ActionPhase.RUNNING, 1, 1, budget=RetryBudget(user=0, system=2))
    for _ in range(2):
        state = decide(state, Failed(state.epoch, LOST)).state
        assert state.phase is ActionPhase.QUEUED and state.user_failures == 0
        state = decide(state, Leased()).state
    assert decide(state, Failed(state.epoch, LOST)).state.phase is ActionPhase.FAILED
    assert decide(state, Failed(state.epoch, BUG)).state.phase is ActionPhase.FAILED


def test_an_error_that_is_not_recoverable_ends_the_action_whatever_the_budget() -> None:
    decision = decide(ActionState(ActionPhase.RUNNING, 1, 1, budget=RetryBudget(user=9)), Failed(1, FINAL))
    assert decision.state.phase is ActionPhase.FAILED and "not recoverable" in decision.reason
    assert isinstance(decision.commands[-1], AbortChildren)


@pytest.mark.parametrize("event", [AbortRequested("enough"), ParentEnded("enough")])
def test_an_abort_stops_the_process_only_where_one_may_live(event: Event) -> None:
    queued, running = decide(ActionState(), event), decide(RUNNING, event)
    assert queued.state.phase is running.state.phase is ActionPhase.ABORTED
    assert not any(isinstance(c, StopProcess) for c in queued.commands)
    assert StopProcess("enough") in running.commands


def test_the_reason_of_an_abort_does_not_grow_on_its_way_down() -> None:
    reason = "enough"
    event: Event = AbortRequested(reason)
    for _ in range(50):
        command = decide(RUNNING, event).commands[-1]
        assert isinstance(command, AbortChildren)
        event = ParentEnded(command.reason)
    assert command.reason == "the parent was aborted: enough"


@pytest.mark.parametrize("event", [Started(0), Succeeded(0), Failed(0, BUG), Leased()])
def test_what_comes_too_late_changes_nothing(event: Event) -> None:
    decision = decide(RUNNING, event)
    assert decision.state == RUNNING and not decision.changed


EVENTS: list[Event] = [
    Leased(), Started(1), Succeeded(1), Failed(1, BUG), Failed(1, LOST), Failed(1, FINAL), AbortRequested("r"),
    ParentEnded("r"),
]  # fmt: skip


@pytest.mark.parametrize("phase", list(ActionPhase))
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_in_every_phase_has_an_answer(phase: ActionPhase, event: Event) -> None:
    state = ActionState(phase, attempt=1, epoch=1)
    decision = decide(state, event)
    assert isinstance(decision, Decision)
    if phase.is_terminal:
        assert decision.state == state and not decision.changed


class AnyHistory(RuleBasedStateMachine):
    """Events of any epoch, in any order, as often as they like."""

    @initialize(user=st.integers(0, 3), system=st.integers(0, 3))
    def begin(self, user: int, system: int) -> None:
        self.state = ActionState(budget=RetryBudget(user=user, system=system))
        self.successes = 0
        self.open_attempts = {1}
        self.made = {1}

    def happen(self, event: Event) -> None:
        before = self.state
        decision = decide(before, event)
        after = self.state = decision.state
        epoch = getattr(event, "epoch", before.epoch)
        if before.phase.is_terminal or epoch != before.epoch:
            assert after == before and not decision.commands, "a late event changed something"
        for command in decision.commands:
            if isinstance(command, CloseAttempt):
                self.open_attempts.remove(before.attempt)  # closed exactly once
                self.successes += command.phase is ActionPhase.SUCCEEDED
            elif isinstance(command, QueueAttempt):
                assert command.number not in self.made
                self.made.add(command.number)
                self.open_attempts.add(command.number)
        if after.phase.is_terminal and not before.phase.is_terminal:
            assert any(isinstance(c, AbortChildren) for c in decision.commands), "children were left behind"

    @rule()
    def lease(self) -> None:
        self.happen(Leased())

    @rule(back=st.integers(0, 2))
    def start(self, back: int) -> None:
        self.happen(Started(self.state.epoch - back))

    @rule(back=st.integers(0, 2))
    def succeed(self, back: int) -> None:
        self.happen(Succeeded(self.state.epoch - back))

    @rule(back=st.integers(0, 2), failure=st.sampled_from([BUG, LOST, FINAL]))
    def fail(self, back: int, failure: Failure) -> None:
        self.happen(Failed(self.state.epoch - back, failure))

    @rule(event=st.sampled_from([AbortRequested("r"), ParentEnded("r")]), really=st.integers(0, 5))
    def abort(self, event: Event, really: int) -> None:
        if really == 0:
            self.happen(event)

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "state"):
            return
        state = self.state
        assert self.successes == (state.phase is ActionPhase.SUCCEEDED)
        assert state.attempt == max(self.made) <= 1 + state.budget.user + state.budget.system
        assert state.epoch <= state.attempt
        assert self.open_attempts == (set() if state.phase.is_terminal else {state.attempt})


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
