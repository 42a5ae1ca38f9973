"""RunService: start, show, list, watch and abort runs and their actions."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from flyteidl2.task import run_pb2, task_definition_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte.errors import RpcError
from flyte.model.ids import ROOT_ACTION, ActionRef, RunId, Scope, TaskRef
from flyte.model.phase import ActionPhase
from flyte.server.blobs import Blobs
from flyte.server.clock import Clock
from flyte.server.engine.aborts import Aborter
from flyte.server.engine.runs import NewRun, TaskFacts, create_run, new_run_name, project_topic, require_project
from flyte.server.engine.transitions import run_topic
from flyte.server.services import views
from flyte.server.services.caller import Caller, invalid, not_found
from flyte.server.services.inputs import complete_inputs, digest_of
from flyte.server.services.lists import conditions_of, cut, page_of, phase_value, sorting_of, time_value
from flyte.server.services.specs import deployed_spec, task_facts
from flyte.server.services.system import user_name
from flyte.server.services.times import micros_of, stamp
from flyte.server.store.listing import Column, Dialect, Listing, Page, Sorting, build, label_column
from flyte.server.store.port import Row, Store, Transaction
from flyte.wire.ids import action_from_pb, run_from_pb, scope_from_pb, task_from_pb
from flyte.wire.keys import digest, interface_hash
from flyte.wire.phases import phase_to_pb

_COLUMNS = (
    "actions.*, runs.project, runs.domain, runs.org, runs.name AS run_name, runs.labels, runs.source, runs.output_base"
)
_SOURCE = "actions JOIN runs ON runs.id = actions.run_id"
_KINDS = {"1": "task", "2": "trace", "3": "condition"}

_RUN_COLUMNS = {
    "phase": Column("actions.phase", phase_value),
    "task_name": Column("actions.task_name"),
    "task_version": Column("actions.task_version"),
    "created_at": Column("runs.created_at", time_value),
    "updated_at": Column("COALESCE(actions.ended_at, actions.started_at, actions.created_at)", time_value),
    "name": Column("runs.name"),
    # On one machine every run is its user's.
    "created_by_subject": Column(":subject", bound={"subject": user_name()}, sortable=False),
}
_ACTION_COLUMNS = {
    "phase": Column("actions.phase", phase_value),
    "created_at": Column("actions.created_at", time_value),
    "updated_at": Column("COALESCE(actions.ended_at, actions.started_at, actions.created_at)", time_value),
    "parent_name": Column("actions.parent"),
    "group": Column("actions.group_name"),
    "task_name": Column("actions.task_name"),
    "name": Column("actions.name"),
    "action_type": Column("actions.kind", _KINDS.__getitem__),
}
_ACTIONS = Listing(_COLUMNS, _SOURCE, _ACTION_COLUMNS.get, "actions.id")
_BY_AGE = Listing(_COLUMNS, _SOURCE, {"id": Column("runs.id")}.get, "runs.id")
_WATCH_BATCH = 500


def _runs(dialect: Dialect) -> Listing:
    def column_of(field: str) -> Column | None:
        prefix, dot, label = field.partition(".")
        if prefix == "labels" and dot and label:
            return label_column(dialect, "runs.labels", label)
        return _RUN_COLUMNS.get(field)

    return Listing(_COLUMNS, _SOURCE, column_of, "runs.id")


class RunService:
    """See the module."""

    def __init__(self, store: Store, blobs: Blobs, aborter: Aborter, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._aborter = aborter
        self._clock = clock

    async def create_run(
        self, request: run_service_pb2.CreateRunRequest, caller: Caller
    ) -> run_service_pb2.CreateRunResponse:
        """Start a run of a task that is sent along or was deployed."""
        scope, name = self._target(request)
        await self._store.read(lambda tx: require_project(tx, scope))
        spec, deployed = await self._spec(request)
        facts = task_facts(spec, scope, deployed)
        has_start = request.HasField("run_start_time")
        start_time = micros_of(request.run_start_time, "start time of the run") if has_start else self._clock()
        run_spec = run_pb2.RunSpec()
        run_spec.CopyFrom(request.run_spec)
        base = self._output_base(run_spec)
        input_uri, inputs_hash = await self._inputs(request, spec, scope)
        request_digest = _request_digest(caller.request_id, request)
        run = await create_run(
            self._store,
            self._clock,
            NewRun(
                scope=scope,
                name=name or new_run_name(request_digest if _is_unique(caller.request_id) else ""),
                task=facts,
                input_uri=input_uri,
                cache_key=_root_cache_key(facts, spec, inputs_hash),
                cache_scope=cache_scope(run_spec, scope.project, scope.domain),
                overwrite_cache=overwrites_cache(run_spec),
                run_spec=run_spec.SerializeToString(),
                labels=dict(run_spec.labels.values),
                source=request.source,
                output_base=base,
                start_time=start_time,
                request_digest=request_digest,
            ),
        )
        row = await self._row(ActionRef(run, ROOT_ACTION))
        return run_service_pb2.CreateRunResponse(run=views.run(row))

    def _output_base(self, run_spec: run_pb2.RunSpec) -> str:
        """Below which the run's folder is made."""
        base = str(run_spec.run_base_dir).rstrip("/")
        if not base:
            return self._blobs.base
        try:
            self._blobs.path(base)
        except RpcError as e:
            raise invalid(
                f"The base folder {base[:200]!r} of the run is not one of this backend, which could not show the "
                f"run's results: leave it out, or give a folder below {self._blobs.base}."
            ) from e
        return base

    @staticmethod
    def _target(request: run_service_pb2.CreateRunRequest) -> tuple[Scope, str | None]:
        match request.WhichOneof("id"):
            case "run_id":
                run = run_from_pb(request.run_id)
                return run.scope, run.name
            case "project_id":
                return scope_from_pb(request.project_id), None
        raise invalid("The request names neither a run nor a project.")

    async def _spec(
        self, request: run_service_pb2.CreateRunRequest
    ) -> tuple[task_definition_pb2.TaskSpec, TaskRef | None]:
        match request.WhichOneof("task"):
            case "task_spec":
                return request.task_spec, None
            case "task_id":
                task = task_from_pb(request.task_id)
                return await deployed_spec(self._store, task), task
            case "trigger_name":
                raise RpcError("Triggers are not available in this version of the backend.", code="unimplemented")
        raise invalid("The request has no task.")

    async def _inputs(
        self, request: run_service_pb2.CreateRunRequest, spec: task_definition_pb2.TaskSpec, scope: Scope
    ) -> tuple[str, str]:
        if request.WhichOneof("input_wrapper") == "offloaded_input_data":
            data = request.offloaded_input_data
            if not data.uri:
                raise invalid("Offloaded inputs need their address.")
            self._blobs.refuse_foreign_file(data.uri)
            return f"{data.uri.rstrip('/')}/inputs.pb", data.inputs_hash
        inputs = complete_inputs(spec, request.inputs)
        ignored = spec.task_template.metadata.cache_ignore_input_vars
        digest = digest_of(inputs.literals, ignored)
        return await self._blobs.keep_inputs(scope, inputs.SerializeToString(deterministic=True)), digest

    async def abort_run(
        self, request: run_service_pb2.AbortRunRequest, caller: Caller
    ) -> run_service_pb2.AbortRunResponse:
        """Abort a run's root, and with it everything below."""
        run = run_from_pb(request.run_id)
        await self._aborter.abort(ActionRef(run, ROOT_ACTION), request.reason or "aborted by a user")
        return run_service_pb2.AbortRunResponse()

    async def abort_action(
        self, request: run_service_pb2.AbortActionRequest, caller: Caller
    ) -> run_service_pb2.AbortActionResponse:
        """Abort one action and everything below it."""
        await self._aborter.abort(action_from_pb(request.action_id), request.reason or "aborted by a user")
        return run_service_pb2.AbortActionResponse()

    async def get_run_details(
        self, request: run_service_pb2.GetRunDetailsRequest, caller: Caller
    ) -> run_service_pb2.GetRunDetailsResponse:
        """A run's specification and its root action."""
        return run_service_pb2.GetRunDetailsResponse(details=await self._run_details(run_from_pb(request.run_id)))

    async def watch_run_details(
        self, request: run_service_pb2.WatchRunDetailsRequest, caller: Caller
    ) -> AsyncGenerator[run_service_pb2.WatchRunDetailsResponse, None]:
        """A run's details now and after every change, until it is over."""
        run = run_from_pb(request.run_id)
        async with contextlib.aclosing(self._changes(ActionRef(run, ROOT_ACTION))) as changes:
            async for _ in changes:
                yield run_service_pb2.WatchRunDetailsResponse(details=await self._run_details(run))

    async def _run_details(self, run: RunId) -> run_definition_pb2.RunDetails:
        details = await self._details(ActionRef(run, ROOT_ACTION))
        row = await self._store.read(
            lambda tx: tx.one("runs.get", project=run.scope.project, domain=run.scope.domain, name=run.name)
        )
        assert row is not None
        spec = run_pb2.RunSpec.FromString(row["run_spec"])
        return run_definition_pb2.RunDetails(run_spec=spec, action=details)

    async def get_action_details(
        self, request: run_service_pb2.GetActionDetailsRequest, caller: Caller
    ) -> run_service_pb2.GetActionDetailsResponse:
        """Everything about one action."""
        details = await self._details(action_from_pb(request.action_id))
        return run_service_pb2.GetActionDetailsResponse(details=details)

    async def watch_action_details(
        self, request: run_service_pb2.WatchActionDetailsRequest, caller: Caller
    ) -> AsyncGenerator[run_service_pb2.WatchActionDetailsResponse, None]:
        """An action's details now and after every change, until it is over."""
        action = action_from_pb(request.action_id)
        async with contextlib.aclosing(self._changes(action)) as changes:
            async for _ in changes:
                yield run_service_pb2.WatchActionDetailsResponse(details=await self._details(action))

    async def _changes(self, action: ActionRef) -> AsyncGenerator[Row, None]:
        """The action's row now and whenever it has changed; ends after a terminal phase."""
        row = await self._row(action)
        listener = self._store.subscribe(run_topic(row["run_id"]))
        try:
            seen = -1
            while True:
                row = await self._row(action)
                if row["revision"] != seen:
                    seen = row["revision"]
                    yield row
                if ActionPhase(row["phase"]).is_terminal:
                    return
                await listener.wait()
        finally:
            listener.close()

    async def _row(self, action: ActionRef) -> Row:
        scope = action.run.scope
        row = await self._store.read(
            lambda tx: tx.one(
                "actions.get",
                project=scope.project,
                domain=scope.domain,
                run=action.run.name,
                name=action.name,
            )
        )
        if row is None:
            what = "" if action.name == ROOT_ACTION else f"action {action.name} of "
            raise not_found(f"There is no {what}run {action.run.name} in {scope.project}/{scope.domain}.")
        return row

    async def _details(self, action: ActionRef) -> run_definition_pb2.ActionDetails:
        found = await self._row(action)

        async def read(tx: Transaction) -> tuple[Row, list[Row], bytes]:
            row = await tx.one("actions.by_id", action_id=found["id"])
            assert row is not None
            attempts = await tx.all("attempts.of_action", action_id=found["id"])
            spec = await tx.one("tasks.spec", digest=row["spec_digest"])
            return row, attempts, bytes(spec["body"]) if spec else b""

        return views.action_details(*await self._store.read(read))

    async def list_runs(
        self, request: run_service_pb2.ListRunsRequest, caller: Caller
    ) -> run_service_pb2.ListRunsResponse:
        """A page of runs, newest first unless sorted."""
        where = ["actions.parent = ''"]
        values: dict[str, Any] = {}
        match request.WhichOneof("scope_by"):
            case "project_id":
                scope = scope_from_pb(request.project_id)
                where += ["runs.project = :project", "runs.domain = :domain"]
                values |= {"project": scope.project, "domain": scope.domain}
            case "task_name" | "task_id":
                by_id = request.WhichOneof("scope_by") == "task_id"
                task = request.task_id if by_id else request.task_name
                where += [
                    "runs.project = :project",
                    "runs.domain = :domain",
                    "actions.task_name = :task_name",
                ]
                values |= {"project": task.project, "domain": task.domain, "task_name": task.name}
                if by_id:
                    where.append("actions.task_version = :task_version")
                    values["task_version"] = request.task_id.version
            case "trigger_name":
                return run_service_pb2.ListRunsResponse()
        if request.paused_actions_only:
            where.append("actions.phase = 'paused'")
        page, conditions = page_of(request.request), conditions_of(request.request)
        sorting, dialect = sorting_of(request.request, "created_at"), self._store.dialect
        sql, bound = build(dialect, _runs(dialect), where, values, conditions, sorting, page)
        rows, token = cut(await self._store.read(lambda tx: tx.select(sql, bound)), page)
        return run_service_pb2.ListRunsResponse(runs=[views.run(row) for row in rows], token=token)

    async def list_actions(
        self, request: run_service_pb2.ListActionsRequest, caller: Caller
    ) -> run_service_pb2.ListActionsResponse:
        """A page of a run's actions, oldest first unless sorted."""
        run = run_from_pb(request.run_id)
        await self._row(ActionRef(run, ROOT_ACTION))
        where = ["runs.project = :project", "runs.domain = :domain", "runs.name = :run"]
        values = {"project": run.scope.project, "domain": run.scope.domain, "run": run.name}
        page, conditions = page_of(request.request), conditions_of(request.request)
        sorting = sorting_of(request.request, "created_at", ascending=True)
        sql, bound = build(self._store.dialect, _ACTIONS, where, values, conditions, sorting, page)
        rows, token = cut(await self._store.read(lambda tx: tx.select(sql, bound)), page)
        return run_service_pb2.ListActionsResponse(actions=[views.action(row) for row in rows], token=token)

    async def watch_runs(
        self, request: run_service_pb2.WatchRunsRequest, caller: Caller
    ) -> AsyncGenerator[run_service_pb2.WatchRunsResponse, None]:
        """The newest runs of a project, newest first, and then each new one."""
        if request.WhichOneof("target") != "project_id":
            raise invalid("Runs can be watched by project.")
        scope = scope_from_pb(request.project_id)
        where = ["actions.parent = ''", "runs.project = :project", "runs.domain = :domain", "runs.id > :after"]
        with self._store.subscribe(project_topic(scope)) as listener:
            after, is_first = 0, True
            while True:
                values = {"project": scope.project, "domain": scope.domain, "after": after}
                sql, bound = build(
                    self._store.dialect, _BY_AGE, where, values, [], Sorting("id", not is_first), Page(_WATCH_BATCH)
                )
                rows = await self._store.read(_selecting(sql, bound))
                is_first = False
                if rows:
                    after = max(row["run_id"] for row in rows)
                    yield run_service_pb2.WatchRunsResponse(runs=[views.run(row) for row in rows])
                if len(rows) <= _WATCH_BATCH:
                    await listener.wait()

    async def watch_actions(
        self, request: run_service_pb2.WatchActionsRequest, caller: Caller
    ) -> AsyncGenerator[run_service_pb2.WatchActionsResponse, None]:
        """All actions of a run, then every change, until the run is over and all is told."""
        run = run_from_pb(request.run_id)
        root = await self._row(ActionRef(run, ROOT_ACTION))
        listener = self._store.subscribe(run_topic(root["run_id"]))
        try:
            seen = 0
            while True:

                async def read(tx: Transaction, after: int = seen) -> tuple[list[Row], list[Row], Row | None]:
                    changed = await tx.all("actions.changed", run_id=root["run_id"], revision=after, limit=_WATCH_BATCH)
                    counts = await tx.all("actions.phase_counts", run_id=root["run_id"])
                    return changed, counts, await tx.one("actions.by_id", action_id=root["id"])

                changed, counts, newest = await self._store.read(read)
                assert newest is not None
                if changed:
                    seen = changed[-1]["revision"]
                    yield _enriched(changed, counts, newest)
                    continue
                if ActionPhase(newest["phase"]).is_terminal:
                    return
                await listener.wait()
        finally:
            listener.close()

    async def get_action_data_uris(
        self, request: run_service_pb2.GetActionDataURIsRequest, caller: Caller
    ) -> run_service_pb2.GetActionDataURIsResponse:
        """Where an action's inputs and outputs lie."""
        row = await self._row(action_from_pb(request.action_id))
        outputs = f"{row['output_uri']}/outputs.pb" if row["output_uri"] else ""
        return run_service_pb2.GetActionDataURIsResponse(inputs_uri=row["input_uri"], outputs_uri=outputs)

    async def get_action_log_context(
        self, request: run_service_pb2.GetActionLogContextRequest, caller: Caller
    ) -> run_service_pb2.GetActionLogContextResponse:
        """When an attempt's log began and ended; the log itself is had from DataProxyService.TailLogs."""
        row = await self._row(action_from_pb(request.action_id))
        attempts = await self._store.read(lambda tx: tx.all("attempts.of_action", action_id=row["id"]))
        for one in attempts:
            if one["number"] == request.attempt:
                message = run_service_pb2.GetActionLogContextResponse(cluster="local")
                if one["leased_at"] is not None:
                    message.start_time.CopyFrom(stamp(one["leased_at"]))
                if one["ended_at"] is not None:
                    message.end_time.CopyFrom(stamp(one["ended_at"]))
                return message
        raise not_found(f"Action {row['name']} has no attempt {request.attempt}.")


def _request_digest(request_id: str, request: run_service_pb2.CreateRunRequest) -> str:
    """What tells the same request, sent again, from a new one of the same content; empty where nothing does."""
    if not request_id:
        return ""
    return hashlib.sha256(request_id.encode() + b"\0" + request.SerializeToString(deterministic=True)).hexdigest()


def _is_unique(request_id: str) -> bool:
    """True for an id that no two requests share by chance; official tasks send one with four random letters."""
    try:
        uuid.UUID(request_id)
    except ValueError:
        return False
    return True


def _selecting(sql: str, bound: dict[str, Any]) -> Callable[[Transaction], Awaitable[list[Row]]]:
    return lambda tx: tx.select(sql, bound)


def _enriched(changed: list[Row], counts: list[Row], root: Row) -> run_service_pb2.WatchActionsResponse:
    by_parent: dict[str, dict[int, int]] = {}
    for row in counts:
        by_parent.setdefault(row["parent"], {})[phase_to_pb(ActionPhase(row["phase"]))] = row["n"]
    scope = {key: root[key] for key in ("project", "domain", "org", "run_name", "labels", "source", "output_base")}
    return run_service_pb2.WatchActionsResponse(
        enriched_actions=[
            run_definition_pb2.EnrichedAction(
                action=views.action({**dict(row), **scope}),
                meets_filter=True,
                children_phase_counts=by_parent.get(row["name"], {}),
            )
            for row in changed
        ]
    )


def cache_scope(run_spec: run_pb2.RunSpec, project: str, domain: str) -> str:
    """The scope of the results that a run may reuse: everywhere, or its own project and domain."""
    if run_spec.cache_config.cache_lookup_scope == run_pb2.CacheLookupScope.Value("CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN"):
        return f"{project}/{domain}"
    return ""


def overwrites_cache(run_spec: run_pb2.RunSpec) -> bool:
    """True when a run makes its results anew."""
    return bool(run_spec.overwrite_cache or run_spec.cache_config.overwrite_cache)


def _root_cache_key(facts: TaskFacts, spec: task_definition_pb2.TaskSpec, inputs_hash: str) -> str:
    if not facts.is_cached:
        return ""
    template = spec.task_template
    return digest(
        inputs_hash + template.id.name + interface_hash(template.interface) + template.metadata.discovery_version
    )
