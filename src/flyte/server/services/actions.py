"""ActionsService: what running tasks ask for (wire_protocol §5.4, §5.5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from flyteidl2.actions import actions_service_pb2
from flyteidl2.common import identifier_pb2
from flyteidl2.task import run_pb2
from flyteidl2.workflow import state_service_pb2

from flyte.errors import RpcError
from flyte.model.ids import ActionRef, RunId
from flyte.server.clock import Clock
from flyte.server.engine.aborts import Aborter
from flyte.server.engine.dispatch import token_digest
from flyte.server.engine.runs import NewChild, enqueue_child
from flyte.server.engine.transitions import run_topic
from flyte.server.services import views
from flyte.server.services.caller import Caller, invalid, not_found
from flyte.server.services.runs import cache_scope, overwrites_cache
from flyte.server.services.specs import task_facts
from flyte.server.store.port import Row, Store, Transaction
from flyte.wire.ids import action_from_pb

_WATCH_BATCH = 1000


class ActionsService:
    """See the module."""

    def __init__(self, store: Store, aborter: Aborter, clock: Clock) -> None:
        self._store = store
        self._aborter = aborter
        self._clock = clock

    async def enqueue(
        self, request: actions_service_pb2.EnqueueRequest, caller: Caller
    ) -> actions_service_pb2.EnqueueResponse:
        """Start a child of a running task. The same child again is the same child."""
        action = action_from_pb(request.action.action_id)
        parent = request.action.parent_action_name
        if request.action.WhichOneof("spec") != "task":
            kind = request.action.WhichOneof("spec") or "an action without a kind"
            raise RpcError(f"This version of the backend cannot record {kind} yet.", code="unimplemented")
        if not parent:
            raise invalid(f"Action {action.name} has no parent; runs are started by CreateRun.")
        if not request.action.input_uri:
            raise invalid(f"Action {action.name} comes without the address of its inputs.")
        task = request.action.task
        facts = task_facts(task.spec, action.run.scope)
        run_spec = await self._run_spec(action)
        await enqueue_child(
            self._store,
            self._clock,
            NewChild(
                action=action,
                parent=parent,
                group=request.action.group,
                task=facts,
                input_uri=request.action.input_uri,
                cache_key=task.cache_key.value if facts.is_cached else "",
            ),
            (
                cache_scope(run_spec, action.run.scope.project, action.run.scope.domain),
                overwrites_cache(run_spec),
            ),
            lambda tx: _check_lease(tx, caller, action.run, parent),
        )
        return actions_service_pb2.EnqueueResponse()

    async def _run_spec(self, action: ActionRef) -> run_pb2.RunSpec:
        scope = action.run.scope
        row = await self._store.read(
            lambda tx: tx.one("runs.get", project=scope.project, domain=scope.domain, name=action.run.name)
        )
        if row is None:
            raise not_found(f"There is no run {action.run.name}.")
        return run_pb2.RunSpec.FromString(row["run_spec"])

    async def watch_for_updates(
        self, request: actions_service_pb2.WatchForUpdatesRequest, caller: Caller
    ) -> AsyncGenerator[actions_service_pb2.WatchForUpdatesResponse, None]:
        """Every child of a parent as it is, a sentinel, and then every change, for as long as the client listens."""
        parent = action_from_pb(request.parent_action_id)
        scope = parent.run.scope

        async def read(tx: Transaction) -> Row | None:
            await _check_lease(tx, caller, parent.run, parent.name)
            return await tx.one("runs.get", project=scope.project, domain=scope.domain, name=parent.run.name)

        run = await self._store.read(read)
        if run is None:
            raise not_found(f"There is no run {parent.run.name}.")
        listener = self._store.subscribe(run_topic(run["id"]))
        try:
            seen, told = 0, False
            while True:

                async def changed(tx: Transaction, after: int = seen) -> list[Row]:
                    return await tx.all(
                        "actions.children", run_id=run["id"], parent=parent.name, revision=after, limit=_WATCH_BATCH
                    )

                rows = await self._store.read(changed)
                for row in rows:
                    child = identifier_pb2.ActionIdentifier(run=request.parent_action_id.run, name=row["name"])
                    update = views.action_update(row, child, run["output_base"])
                    yield actions_service_pb2.WatchForUpdatesResponse(action_update=update)
                if rows:
                    seen = rows[-1]["revision"]
                    continue
                if not told:
                    told = True
                    sentinel = state_service_pb2.ControlMessage(sentinel=True)
                    yield actions_service_pb2.WatchForUpdatesResponse(control_message=sentinel)
                await listener.wait()
        finally:
            listener.close()

    async def abort(
        self, request: actions_service_pb2.AbortRequest, caller: Caller
    ) -> actions_service_pb2.AbortResponse:
        """A parent no longer awaits a child."""
        action = action_from_pb(request.action_id)

        async def may_abort(tx: Transaction, parent: str) -> None:
            await _check_lease(tx, caller, action.run, parent)

        await self._aborter.abort(action, request.reason or "its parent no longer awaits it", may_abort)
        return actions_service_pb2.AbortResponse()


async def _check_lease(tx: Transaction, caller: Caller, run: RunId, parent: str) -> None:
    """A task acts for the children of its own attempt only, and only while that attempt holds its lease.

    Clients without a token are people on this machine.

    Raises:
        RpcError: The lease is over (`aborted`: the attempt is to end), or the token is another action's
            (`permission_denied`).
    """
    if not caller.token:
        return
    row = await tx.one("attempts.by_token", token_digest=token_digest(caller.token))
    if row is None or row["phase"] not in ("initializing", "running"):
        raise RpcError("This attempt's lease is over: another attempt acts in its place, or none.", code="aborted")
    theirs = (row["project"], row["domain"], row["run_name"], row["action_name"])
    if theirs != (run.scope.project, run.scope.domain, run.name, parent):
        raise RpcError(
            f"The token belongs to action {row['action_name']} of run {row['run_name']}, which cannot act for "
            f"action {parent} of run {run.name}.",
            code="permission_denied",
        )
