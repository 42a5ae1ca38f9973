"""Aborting runs and actions: decided in one transaction, processes ended after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from flyte.errors import RpcError
from flyte.lifecycle.machine import AbortRequested
from flyte.model.ids import ROOT_ACTION, ActionRef
from flyte.server.clock import Clock
from flyte.server.engine.transitions import Effects, apply
from flyte.server.executors.port import Executor
from flyte.server.store.port import Store, Transaction

LONGEST_REASON = 1000
"""How much of a reason is kept, in characters: every action below gets it too."""

Permission = Callable[[Transaction, str], Awaitable[None]]


class Aborter:
    """Ends actions with everything below them."""

    def __init__(self, store: Store, executor: Executor, clock: Clock) -> None:
        self._store = store
        self._executor = executor
        self._clock = clock

    async def abort(self, action: ActionRef, reason: str, may: Permission | None = None) -> None:
        """Abort an action; one that is over already stays as it is.

        Args:
            may: Raises when the caller may not, given the name of the action's parent.

        Raises:
            RpcError: There is no such action (`not_found`).
        """
        effects = Effects()
        if len(reason) > LONGEST_REASON:
            reason = f"{reason[: LONGEST_REASON - 1]}…"

        async def transaction(tx: Transaction) -> None:
            scope = action.run.scope
            row = await tx.one(
                "actions.get",
                project=scope.project,
                domain=scope.domain,
                run=action.run.name,
                name=action.name,
            )
            if row is None:
                what = "" if action.name == ROOT_ACTION else f"action {action.name} of "
                raise RpcError(
                    f"There is no {what}run {action.run.name} in {scope.project}/{scope.domain}.", code="not_found"
                )
            if may is not None:
                await may(tx, row["parent"])
            await apply(tx, row["id"], AbortRequested(reason), self._clock(), effects)

        await self._store.write(transaction)
        await effects.carry_out(self._executor)
