"""There is always a supervisor that answers: one that died is replaced, one that hangs too.

It looks now and then, acts, and says when it wants to look again; it has no clock and no loop of its own. Its
successor adopts what lives, so replacing a supervisor costs no task anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from flyte.server.executors.process.starting import SupervisorProcess

log = logging.getLogger("flyte.server.executor")

PING_SECONDS = 5.0
"""How often a supervisor is asked for a sign of life."""
MOST_UNANSWERED = 4
"""Pings in a row without any answer, after which a supervisor hangs. They are counted, not timed: a control plane
that was stopped itself, and a machine that slept, find the answers waiting."""
ARRIVAL_SECONDS = 30.0
"""How long a supervisor that lives may take to come."""
SETTLED_SECONDS = 5.0
"""One that stayed this long was no failure, whatever ended it."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.25, 60.0
"""Between two attempts to start one after failures."""
_LOOK_SECONDS = 1.0
_MOST_DOUBLINGS = 10


class Keeper:
    """See the module.

    Args:
        process: The supervisor as a process.
        ping: Asks the supervisor that is here for a sign of life.
    """

    def __init__(self, process: SupervisorProcess, ping: Callable[[], None]) -> None:
        self._process = process
        self._ping = ping
        self._is_here = False
        self._is_owed = False
        self._arrived_at: float | None = None
        self._expected_since: float | None = None
        self._failures = 0
        self._start_at = self._ping_at = 0.0
        self._unanswered = 0
        self._said = ""

    def arrived(self, now: float) -> None:
        """A supervisor is here and does its work."""
        if self._said:
            log.info("a supervisor is here again")
        self._is_here = self._is_owed = True
        self._arrived_at, self._ping_at = now, now + PING_SECONDS
        self._unanswered = 0
        self._said = ""

    def spoke(self) -> None:
        """It said something, whatever it was."""
        self._unanswered = 0

    def left(self) -> None:
        """It is not here any more."""
        self._is_here = False

    def look(self, now: float) -> float:
        """Do what is to be done; gives the seconds until the next look, unless something happens before."""
        try:
            return self._look_after_it(now) if self._is_here else self._look_for_one(now)
        except OSError as e:
            self._fail(now, f"{e.strerror or e} ({e.filename or 'of the system'})")
            return self._start_at - now

    def _look_after_it(self, now: float) -> float:
        if now >= self._ping_at:
            if self._unanswered >= MOST_UNANSWERED:
                self._replace(f"has not answered for {MOST_UNANSWERED * PING_SECONDS:.0f} seconds")
                return _LOOK_SECONDS
            self._unanswered += 1
            self._ping_at = now + PING_SECONDS
            self._ping()
        return self._ping_at - now

    def _look_for_one(self, now: float) -> float:
        if self._process.is_expected():
            if self._expected_since is None:
                self._expected_since = now
            patience = ARRIVAL_SECONDS * 2 ** min(self._failures, 3)
            if now - self._expected_since > patience:
                self._replace(f"lives, but has not come for {patience:.0f} seconds")
                self._expected_since = None
            return _LOOK_SECONDS
        self._expected_since = None
        if self._is_owed:
            self._is_owed = False
            self._it_ended(now)
        if now < self._start_at:
            return self._start_at - now
        pid = self._process.start()
        self._is_owed, self._arrived_at = True, None
        if not self._said:
            log.info("started supervisor %d", pid)
        return _LOOK_SECONDS

    def _replace(self, what: str) -> None:
        pid = self._process.pid()
        log.error("supervisor %s %s: it hangs, and is killed and replaced. Tasks go on.", pid or "(unknown)", what)
        self._process.kill()

    def _it_ended(self, now: float) -> None:
        if self._arrived_at is not None and now - self._arrived_at >= SETTLED_SECONDS:
            self._failures, self._start_at = 0, now
        else:
            self._fail(now, self._process.why_it_ended())

    def _fail(self, now: float, reason: str) -> None:
        self._start_at = now + min(FIRST_WAIT_SECONDS * 2 ** min(self._failures, _MOST_DOUBLINGS), LONGEST_WAIT_SECONDS)
        self._failures += 1
        if reason != self._said:
            self._said = reason
            log.error(
                "there is no supervisor, and no task is started: %s. Starting one is tried again and again, at least "
                "every %.0f seconds.",
                reason,
                LONGEST_WAIT_SECONDS,
            )
