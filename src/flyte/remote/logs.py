"""Reading logs of attempts while they grow, and showing them: what a task wrote never commands a terminal."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

from flyteidl2.logs.dataplane import payload_pb2

from flyte.client.session import require_transport
from flyte.errors import InvalidValue, LogsNotYetAvailableError, RpcError
from flyte.wire.phases import phase_from_pb
from flyte.wire.services import method

_TRIES, _WAIT_SECONDS = 5, 2.0


async def lines(
    action_id: Any,
    attempt: int | None = None,
    *,
    filter_system: bool = False,
    show_ts: bool = False,
    wait: bool = True,
) -> AsyncIterator[str]:
    """The lines of an attempt's log (each with its line end), and on until the attempt is over.

    A broken stream is taken up where it was.

    Args:
        attempt: Counting from 1; the newest by default.
        filter_system: Leave out what the system says.
        wait: Wait for a log that is not there yet.

    Raises:
        InvalidValue: `attempt` is negative.
        LogsNotYetAvailableError: There is no log (yet).
    """
    if attempt is not None and attempt < 0:
        raise InvalidValue(f"Attempts count from 1; there is no attempt {attempt}.")
    transport = require_transport()
    given, failures = 0, 0
    while True:
        request = method("DataProxyService", "TailLogs").request(action_id=action_id, attempt=attempt or 0)
        try:
            position = 0
            async for message in transport.stream("DataProxyService", "TailLogs", request):
                failures = 0
                for line in (line for group in message.logs for line in group.lines):
                    position += 1
                    if position <= given:
                        continue
                    given = position
                    if filter_system and line.originator == payload_pb2.LogLineOriginator.Value("SYSTEM"):
                        continue
                    yield _text(line, show_ts=show_ts)
            return
        except RpcError as e:
            failures += 1
            if e.code == "not_found" and (not wait or failures > _TRIES):
                raise LogsNotYetAvailableError(e.message) from e
            if e.code not in ("not_found", "unavailable") or failures > _TRIES:
                raise
        await asyncio.sleep(_WAIT_SECONDS if failures > 1 else 0.2)


def _text(line: Any, *, show_ts: bool) -> str:
    if not show_ts:
        return str(line.message)
    moment = line.timestamp.ToDatetime(tzinfo=UTC)
    return f"{moment.isoformat(timespec='milliseconds')} {line.message}"


def log_lines(text: str) -> list[str]:
    """A piece of a log as lines for a terminal: a carriage return ends a line, as a progress bar's does."""
    return [safe_line(part) for part in text.rstrip("\r\n").replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def safe_line(text: str) -> str:
    """Text without a character that a terminal would obey; each is spelled out."""
    return "".join(c if c == "\t" or c.isprintable() else ascii(c)[1:-1] for c in text)


async def show(
    action_id: Any,
    attempt: int | None = None,
    max_lines: int = 30,
    *,
    show_ts: bool = False,
    raw: bool = False,
    filter_system: bool = False,
) -> None:
    """Print a log: all lines of one that still grows, the last `max_lines` of one that is over.

    Args:
        raw: Print what the task wrote as it is, control characters and all.

    Raises:
        InvalidValue: `max_lines` is negative.
        LogsNotYetAvailableError: There is no log (yet).
    """
    if max_lines < 0:
        raise InvalidValue(f"show_logs(max_lines=…) must be zero or more, not {max_lines}.")
    log = _shown(lines(action_id, attempt, show_ts=show_ts, filter_system=filter_system), raw=raw)
    if await _is_over(action_id):
        recent: deque[str] = deque(maxlen=max_lines)
        async for line in log:
            recent.append(line)
        sys.stdout.writelines(recent)
    else:
        async for line in log:
            sys.stdout.write(line)
            sys.stdout.flush()
    sys.stdout.flush()


async def _shown(log: AsyncIterator[str], *, raw: bool) -> AsyncIterator[str]:
    async for line in log:
        if raw:
            yield line
        else:
            for part in log_lines(line):
                yield f"{part}\n"


async def _is_over(action_id: Any) -> bool:
    request = method("RunService", "GetActionDetails").request(action_id=action_id)
    answer = await require_transport().unary("RunService", "GetActionDetails", request)
    return phase_from_pb(answer.details.status.phase).is_terminal
