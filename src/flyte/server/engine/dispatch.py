"""From the queue to the executor: lease what is ready, start it, and do both again after a restart."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from flyte.errors import FlyteError
from flyte.lifecycle.machine import Failed, Failure, Leased
from flyte.server.clock import Clock, moment
from flyte.server.engine.transitions import QUEUE, Effects, apply, key_of
from flyte.server.executors.port import AttemptKey, Executor, Launch
from flyte.server.store.port import Row, Store, StoreUnavailable, Transaction
from flyte.wire.launch import AttemptPlace, LaunchCommand, launch_command

log = logging.getLogger("flyte.server.dispatch")

BATCH = 64
"""How many attempts are leased in one transaction."""


_STORE_WAIT_SECONDS = 1.0

T = TypeVar("T")


class InterpreterMissing(FlyteError):
    """The Python that a task's image stands for is not there (any more)."""


class Interpreters(Protocol):
    """Which Python an image stands for."""

    async def resolve(self, image: str) -> str:
        """The executable.

        Raises:
            InterpreterMissing: The image stands for an interpreter that is gone.
        """
        ...


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Do something with the store, again and again while it cannot be reached: what executors say is never dropped."""
    while True:
        try:
            return await work()
        except StoreUnavailable as e:
            log.error("the store is out of reach, trying again: %s", e)
            await asyncio.sleep(_STORE_WAIT_SECONDS)


def token_digest(token: str) -> str:
    """What is kept of an attempt's token."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Leased:
    action_id: int
    key: AttemptKey
    token: str


class Dispatcher:
    """See the module.

    Args:
        endpoint: Gives `host:port` of the control plane as tasks reach it.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        interpreters: Interpreters,
        clock: Clock,
        endpoint: Callable[[], str],
    ) -> None:
        self._store = store
        self._executor = executor
        self._interpreters = interpreters
        self._clock = clock
        self._endpoint = endpoint
        self._address = ""
        self._tokens: dict[AttemptKey, str] = {}
        self._preparing: set[AttemptKey] = set()
        self._looked_at = 0

    async def run(self) -> None:
        """Dispatch for ever: woken by the queue, by freed places and by back-offs that are over."""
        queue = self._store.subscribe(QUEUE)
        self._address = self._endpoint()  # while the control plane is stopped it has none any more
        try:
            while True:
                while await patiently(self.step):
                    pass
                await self._wait(queue.wait)
        finally:
            queue.close()

    async def _wait(self, woken: Callable[[], Awaitable[None]]) -> None:
        # Counted from the last look, not from now: what became ready in between would be waited for for ever.
        seen = self._looked_at
        row = await patiently(lambda: self._store.read(lambda tx: tx.one("attempts.next_ready_at", now=seen)))
        due = row["ready_at"] if row is not None else None
        timeout = None if due is None else max(0.0, (due - self._clock()) / 1e6)
        try:
            async with asyncio.timeout(timeout):
                await woken()
        except TimeoutError:
            pass

    async def step(self) -> bool:
        """Lease and start what fits; False when there was nothing."""
        leased = await self._lease()
        # From here on these attempts are on record as handed over: whatever happens, they are started or refused.
        for lease in leased:
            self._tokens[lease.key] = lease.token
            self._preparing.add(lease.key)
        for lease in leased:
            try:
                await patiently(functools.partial(self._launch, lease.action_id, lease.key))
            finally:
                self._preparing.discard(lease.key)
        return bool(leased)

    def forget(self, key: AttemptKey) -> None:
        """An attempt is over."""
        self._tokens.pop(key, None)

    async def _lease(self) -> list[_Leased]:
        now = self._looked_at = self._clock()
        if self._executor.free(0) <= 0:
            return []

        async def transaction(tx: Transaction) -> list[_Leased]:
            busy = await tx.one("attempts.busy_leaves", executor=self._executor.name)
            free = self._executor.free(busy["n"] if busy else 0)
            if free <= 0:
                return []
            ready = await tx.all("attempts.ready", now=now, limit=min(free, BATCH))
            return [await self._lease_one(tx, row["action_id"], now) for row in ready]

        return await self._store.write(transaction)

    async def _lease_one(self, tx: Transaction, action_id: int, now: int) -> _Leased:
        state = await apply(tx, action_id, Leased(), now, Effects())
        token = secrets.token_urlsafe(24)
        await tx.run(
            "attempts.lease",
            action_id=action_id,
            number=state.attempt,
            epoch=state.epoch,
            executor=self._executor.name,
            token_digest=token_digest(token),
            now=now,
        )
        row = await tx.one("actions.by_id", action_id=action_id)
        assert row is not None
        return _Leased(action_id, key_of(row), token)

    async def _launch(self, action_id: int, key: AttemptKey) -> None:
        """Start a leased attempt; what cannot be started fails at once, with a reason."""

        async def read(tx: Transaction) -> tuple[Row | None, bytes]:
            row = await tx.one("actions.by_id", action_id=action_id)
            spec = await tx.one("tasks.spec", digest=row["spec_digest"]) if row is not None else None
            return row, bytes(spec["body"]) if spec is not None else b""

        row, spec = await self._store.read(read)
        if row is None:
            return
        try:
            command = launch_command(spec, bytes(row["run_spec"]), self._place(row, key))
            if command.secrets:
                raise FlyteError(
                    f"The task asks for the secret {', '.join(command.secrets)}, and this version of the backend keeps "
                    "no secrets yet. Remove it, or run with --local, where secrets come from the environment.",
                    code="SecretsNotAvailable",
                )
            interpreter = await self._interpreters.resolve(command.image)
        except StoreUnavailable:
            raise
        except Exception as e:
            if not isinstance(e, FlyteError):
                log.exception("attempt %s cannot be prepared", key)
            await self._refuse(action_id, key, e)
            return
        token = self._tokens.get(key)
        if token is not None:  # else it ended in the meantime
            await self._executor.start(_order(command, key, token, interpreter))

    def _place(self, row: Row, key: AttemptKey) -> AttemptPlace:
        return AttemptPlace(
            org=row["org"],
            project=row["project"],
            domain=row["domain"],
            run_name=row["run_name"],
            action_name=row["name"],
            attempt=key.attempt,
            input_uri=row["input_uri"],
            run_output_base=row["output_base"],
            run_start_time=moment(row["start_time"]),
            endpoint=self._address or self._endpoint(),
        )

    async def _refuse(self, action_id: int, key: AttemptKey, error: Exception) -> None:
        if isinstance(error, FlyteError):
            failure = Failure(error.code, str(error), "user", recoverable=False)
        else:
            reason = f"The attempt could not be prepared: {type(error).__name__}: {error}"
            failure = Failure("InternalError", reason, "system")

        async def transaction(tx: Transaction) -> Effects:
            # An attempt that is handed over again may have started children before its executor lost it.
            effects = Effects()
            await apply(tx, action_id, Failed(key.epoch, failure), self._clock(), effects)
            return effects

        effects = await self._store.write(transaction)
        await effects.carry_out(self._executor)

    async def reconcile(self, known: tuple[AttemptKey, ...]) -> None:
        """After the executor came (back): hand over again what it never got, end what should not live."""
        there = set(known)

        async def read(tx: Transaction) -> list[Row]:
            return await tx.all("attempts.live", executor=self._executor.name)

        believed = {}
        for row in await self._store.read(read):
            key = AttemptKey(
                row["project"],
                row["domain"],
                row["run_name"],
                row["action_name"],
                row["number"],
                row["epoch"],
            )
            believed[key] = row
        for key, row in believed.items():
            # What is being prepared just now is handed over in a moment, by the connection of that moment.
            if key not in there and key not in self._preparing:
                await self._hand_over_again(key, row)
        for key in there - believed.keys():
            await self._executor.stop(key, "the control plane does not know this attempt", 0)
            await self._executor.acknowledge(key)
        for key in self._tokens.keys() - believed.keys() - self._preparing:
            self.forget(key)

    async def _hand_over_again(self, key: AttemptKey, row: Row) -> None:
        """Start an attempt that the executor never got; one that did get it and forgot does not start it again."""
        if key not in self._tokens:
            # A control plane that is gone handed out the token, and only its digest is kept: another takes its place.
            token = secrets.token_urlsafe(24)

            async def transaction(tx: Transaction) -> None:
                await tx.run(
                    "attempts.renew_token",
                    action_id=row["action_id"],
                    number=row["number"],
                    token_digest=token_digest(token),
                )

            await self._store.write(transaction)
            self._tokens[key] = token
        await self._launch(row["action_id"], key)


def _order(command: LaunchCommand, key: AttemptKey, token: str, interpreter: str) -> Launch:
    return Launch(
        key=key,
        argv=tuple(command.argv),
        env=command.env,
        output_prefix=command.output_prefix,
        expects_outputs=command.expects_outputs,
        token=token,
        interpreter=interpreter,
    )
