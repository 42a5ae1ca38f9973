"""What executors say, turned into events of the machine: one transaction for all that is waiting."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal as signals
from collections.abc import Callable

from flyte.lifecycle.machine import Event, Failed, Failure, Interrupted, Started, Succeeded
from flyte.model.phase import ActionPhase
from flyte.server.clock import Clock
from flyte.server.engine.dispatch import Dispatcher, patiently
from flyte.server.engine.transitions import QUEUE, Effects, Ending, apply
from flyte.server.executors.port import (
    AttemptEnded,
    AttemptKey,
    AttemptStarted,
    Connected,
    Executor,
    ExecutorEvent,
    LogGrew,
)
from flyte.server.store.port import Store, Transaction
from flyte.wire.documents import task_error

log = logging.getLogger("flyte.server.supervision")

_FAULTS = frozenset({"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS"})
"""Signals that a process brings upon itself; any other came from outside."""


def outcome(event: AttemptEnded) -> Event:
    """What the end of a process means for its attempt (wire_protocol §5.2, step 8)."""
    epoch = event.key.epoch
    if event.was_stopped:
        # An aborted or timed out action is over already, and this changes nothing. Otherwise the backend was
        # stopped: whatever the process said while it was ended is no verdict on the task.
        return Succeeded(epoch) if event.has_outputs else Interrupted(epoch)
    if event.lost_reason:
        return Failed(epoch, Failure("Lost", event.lost_reason, "system"))
    if event.error_document:
        error = task_error(event.error_document)
        return Failed(epoch, Failure(error.code, error.message, error.kind, error.recoverable))
    if event.signal:
        return Failed(epoch, _killed(event.signal))
    if event.exit_code is None:
        if event.has_outputs:
            return Succeeded(epoch)
        return Failed(
            epoch,
            Failure("Lost", "The task's process ended while nobody watched it, and left no outputs.", "system"),
        )
    if event.exit_code:
        message = (
            f"The task's process ended with exit code {event.exit_code} before the task returned, leaving no error. "
            "Its log may say why."
        )
        return Failed(epoch, Failure("NonZeroExit", message, "user"))
    if event.has_outputs:
        return Succeeded(epoch)
    message = (
        "The task's process ended with exit code 0, but left no outputs: it ended (by os._exit, say) before the task "
        "returned."
    )
    return Failed(epoch, Failure("OutputsNotFound", message, "user"))


def _killed(number: int) -> Failure:
    name = signals.Signals(number).name if number in list(signals.Signals) else f"signal {number}"
    if name in _FAULTS:
        cut = " Often a file was cut short while in use: a package that was being installed, say."
        hint = cut if name == "SIGBUS" else ""
        message = f"The task's process crashed with {name}, a fault in native code.{hint} Its log says where."
        return Failure(f"Crashed{name}", message, "user")
    hint = " Often that is the system running out of memory." if name == "SIGKILL" else ""
    return Failure(f"Killed{name}", f"The task's process was killed by {name} from outside.{hint}", "system")


class Supervision:
    """See the module.

    Args:
        log_grew: Told when an attempt's log has grown.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        dispatcher: Dispatcher,
        clock: Clock,
        log_grew: Callable[[AttemptKey, int], None],
    ) -> None:
        self._store = store
        self._executor = executor
        self._dispatcher = dispatcher
        self._clock = clock
        self._log_grew = log_grew
        self._waiting: asyncio.Queue[AttemptStarted | AttemptEnded] = asyncio.Queue()

    async def run(self) -> None:
        """Listen and record, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._record())
            async for event in self._executor.events():
                await self._take(event)

    async def _take(self, event: ExecutorEvent) -> None:
        match event:
            case LogGrew(key, size):
                self._log_grew(key, size)
            case Connected(known):
                await patiently(lambda: self._dispatcher.reconcile(known))
                self._store.publish(QUEUE)
            case AttemptStarted() | AttemptEnded():
                self._waiting.put_nowait(event)

    async def _record(self) -> None:
        while True:
            events = [await self._waiting.get()]
            while not self._waiting.empty() and len(events) < 256:
                events.append(self._waiting.get_nowait())
            effects = await patiently(functools.partial(self._write, events))
            for event in events:
                if isinstance(event, AttemptEnded):
                    self._dispatcher.forget(event.key)
                    await self._executor.acknowledge(event.key)
            await effects.carry_out(self._executor)

    async def _write(self, events: list[AttemptStarted | AttemptEnded]) -> Effects:
        async def transaction(tx: Transaction) -> Effects:
            return await self._apply_all(tx, events)

        return await self._store.write(transaction)

    async def _apply_all(self, tx: Transaction, events: list[AttemptStarted | AttemptEnded]) -> Effects:
        effects = Effects()
        for event in events:
            key = event.key
            row = await tx.one("actions.get", project=key.project, domain=key.domain, run=key.run, name=key.action)
            if row is None:
                continue
            if isinstance(event, AttemptStarted):
                await apply(tx, row["id"], Started(key.epoch), self._clock(), effects)
                await tx.run("attempts.start", action_id=row["id"], number=key.attempt, at=event.at)
                continue
            ending = Ending(event.exit_code, event.signal or None, event.peak_memory_bytes, event.cpu_seconds)
            verdict = outcome(event)
            output_uri = await self._output_uri(tx, row["id"], key) if isinstance(verdict, Succeeded) else ""
            state = await apply(tx, row["id"], verdict, self._clock(), effects, output_uri=output_uri, ending=ending)
            if state.phase is ActionPhase.SUCCEEDED and isinstance(verdict, Succeeded):
                await self._keep_result(tx, row["id"])
        return effects

    async def _output_uri(self, tx: Transaction, action_id: int, key: AttemptKey) -> str:
        row = await tx.one("actions.by_id", action_id=action_id)
        assert row is not None
        return f"{row['output_base']}{key.action}/{key.attempt}"

    async def _keep_result(self, tx: Transaction, action_id: int) -> None:
        row = await tx.one("actions.by_id", action_id=action_id)
        if row is None or not row["cache_key"]:
            return
        for scope in ("", f"{row['project']}/{row['domain']}"):
            await tx.run(
                "cache.put",
                scope=scope,
                key=row["cache_key"],
                output_uri=row["output_uri"],
                run_id=row["run_id"],
                action_name=row["name"],
                now=self._clock(),
            )
        await tx.run("actions.cache_status", action_id=action_id, status=3)
