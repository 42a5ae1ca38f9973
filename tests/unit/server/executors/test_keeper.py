"""When a supervisor is started, asked for a sign of life, and replaced: by a clock of the test's own."""

from __future__ import annotations

import errno
import logging
from typing import Any

import pytest

from flyte.server.executors.process.keeper import (
    ARRIVAL_SECONDS,
    LONGEST_WAIT_SECONDS,
    MOST_UNANSWERED,
    PING_SECONDS,
    Keeper,
)


class Process:
    """A supervisor's process as a test wants it."""

    def __init__(self) -> None:
        self.starts = 0
        self.kills = 0
        self.lives = False
        self.refusal: OSError | None = None
        self.reason = "it ended with exit code 1: no"

    def is_expected(self) -> bool:
        return self.lives

    def pid(self) -> int:
        return 7

    def start(self) -> int:
        self.starts += 1
        if self.refusal is not None:
            raise self.refusal
        return 7

    def kill(self) -> None:
        self.kills += 1
        self.lives = False

    def why_it_ended(self) -> str:
        return self.reason


class Kept:
    """A keeper, its process and a clock."""

    def __init__(self) -> None:
        self.process = Process()
        self.pings = 0
        self.keeper = Keeper(self.process, self._ping)  # type: ignore[arg-type]
        self.now = 1000.0

    def _ping(self) -> None:
        self.pings += 1

    def arrives(self) -> None:
        self.process.lives = True
        self.keeper.arrived(self.now)

    def go_on(self, seconds: float, *, answers: bool = False) -> None:
        """Look whenever the keeper wants to."""
        end = self.now + seconds
        while True:
            pings = self.pings
            wait = self.keeper.look(self.now)
            if answers and self.pings > pings:
                self.keeper.spoke()
            assert wait > 0, "it would look without end"
            if self.now + wait > end:
                self.now = end
                return
            self.now += wait


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, logger="flyte.server.executor")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_the_first_look_starts_one_at_once(kept: Kept, said: Any) -> None:
    kept.keeper.look(kept.now)
    assert kept.process.starts == 1
    assert said() == []


def test_one_that_ends_at_once_is_started_ever_more_rarely_and_that_is_said_once(kept: Kept, said: Any) -> None:
    kept.go_on(60)
    assert 3 <= kept.process.starts <= 10
    before = kept.process.starts
    kept.go_on(600)
    assert 600 / LONGEST_WAIT_SECONDS - 3 <= kept.process.starts - before <= 600 / LONGEST_WAIT_SECONDS + 1
    assert len(said()) == 1
    assert "it ended with exit code 1: no" in said()[0]


def test_another_reason_is_said_too(kept: Kept, said: Any) -> None:
    kept.go_on(60)
    kept.process.refusal = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    kept.go_on(600)
    assert len(said()) == 2
    assert "Resource temporarily unavailable" in said()[1]


def test_one_that_died_after_a_while_is_replaced_at_once_however_often(kept: Kept, said: Any) -> None:
    for times in range(1, 6):
        kept.keeper.look(kept.now)
        assert kept.process.starts == times
        kept.arrives()
        kept.go_on(20, answers=True)
        kept.process.lives = False
        kept.keeper.left()
    assert said() == []


def test_one_that_dies_whenever_it_has_come_is_not_started_in_a_tight_loop(kept: Kept, said: Any) -> None:
    for _ in range(20):
        started = kept.process.starts
        while kept.process.starts == started:
            kept.now += kept.keeper.look(kept.now)
        kept.arrives()
        kept.process.lives = False
        kept.keeper.left()
    assert kept.now - 1000 > 300
    assert said(), "and somebody is told"


def test_one_that_answers_is_left_alone(kept: Kept, said: Any) -> None:
    kept.arrives()
    kept.go_on(1000, answers=True)
    assert kept.process.kills == 0
    assert 1000 / PING_SECONDS - 2 <= kept.pings <= 1000 / PING_SECONDS + 1, "one ping, and no other work"


def test_one_that_does_not_answer_is_killed_and_that_is_said(kept: Kept, said: Any) -> None:
    kept.arrives()
    kept.go_on(100, answers=True)
    kept.go_on((MOST_UNANSWERED + 1) * PING_SECONDS + 0.1)
    assert kept.process.kills == 1
    assert "has not answered for 20 seconds" in said()[0]
    assert "supervisor 7" in said()[0]
    kept.keeper.left()
    kept.keeper.look(kept.now)
    assert kept.process.starts == 1, "its successor comes without delay"


def test_a_control_plane_that_stood_still_itself_does_not_blame_its_supervisor(kept: Kept) -> None:
    kept.arrives()
    kept.go_on(12, answers=True)
    for _ in range(50):
        kept.now += 3600.0  # the machine slept, or somebody stopped the process
        kept.keeper.look(kept.now)
        kept.keeper.spoke()  # what had come meanwhile is read after the look
    assert kept.process.kills == 0


def test_one_that_lives_and_never_comes_is_killed_and_replaced(kept: Kept, said: Any) -> None:
    kept.process.lives = True
    kept.go_on(ARRIVAL_SECONDS - 1)
    assert (kept.process.kills, kept.process.starts) == (0, 0)
    kept.go_on(3)
    assert (kept.process.kills, kept.process.starts) == (1, 1)
    assert "has not come" in said()[0]
