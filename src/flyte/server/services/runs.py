"""RunService: start, show, list, watch and abort runs and their actions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from flyteidl2.common import identifier_pb2
from flyteidl2.task import run_pb2, task_definition_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte.model.ids import ROOT_ACTION, ActionRef, RunId
from flyte.model.phase import ActionPhase
from flyte.server.blobs import Blobs
from flyte.server.clock import Clock
from flyte.server.engine.aborts import Aborter
from flyte.server.engine.runs import NewRun, TaskFacts, create_run, project_topic
from flyte.server.engine.transitions import run_topic
from flyte.server.services import views
from flyte.server.services.common import Caller, body_digest, invalid, not_found, page_token
from flyte.server.services.lists import conditions_of, cut, phase_value, sorting_of, time_value, window_of
from flyte.server.services.specs import task_facts
from flyte.server.store.listing import Column, build
from flyte.server.store.port import Row, Store, Transaction
from flyte.wire.ids import action_from_pb, run_from_pb, run_to_pb, scope_from_pb, task_from_pb
from flyte.wire.keys import digest, interface_hash
from flyte.wire.phases import phase_to_pb

_SELECT = """SELECT actions.*, runs.project, runs.domain, runs.org, runs.name AS run_name, runs.labels, runs.source,
runs.output_base FROM actions JOIN runs ON runs.id = actions.run_id"""

_RUN_COLUMNS = {
    "phase": Column("actions.phase", phase_value),
    "task_name": Column("actions.task_name"),
    "task_version": Column("actions.task_version"),
    "created_at": Column("runs.created_at", time_value),
    "updated_at": Column("COALESCE(actions.ended_at, actions.started_at, actions.created_at)", time_value),
    "name": Column("runs.name"),
}
_ACTION_COLUMNS = {
    "phase": Column("actions.phase", phase_value),
    "created_at": Column("actions.created_at", time_value),
    "updated_at": Column("COALESCE(actions.ended_at, actions.started_at, actions.created_at)", time_value),
    "parent_name": Column("actions.parent"),
    "group": Column("actions.group_name"),
    "task_name": Column("actions.task_name"),
    "name": Column("actions.name"),
}
_WATCH_BATCH = 500


def _run_column(field: str) -> Column | None:
    if field.startswith("labels."):
        label = field.removeprefix("labels.")
        if not label.replace("-", "").replace("_", "").replace(".", "").replace("/", "").isalnum():
            return None
        return Column(f"json_extract(runs.labels, '$.\"{label}\"')")
    return _RUN_COLUMNS.get(field)


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
        spec = await self._spec(request)
        facts = task_facts(spec, scope)
        has_start = request.HasField("run_start_time")
        start_time = micros_of(request.run_start_time) if has_start else self._clock()
        run_spec = run_pb2.RunSpec()
        run_spec.CopyFrom(request.run_spec)
        base = run_spec.run_base_dir.rstrip("/") or self._blobs.base
        input_uri, inputs_hash = await self._inputs(request, scope.project, scope.domain)
        run = await create_run(
            self._store,
            self._clock,
            NewRun(
                scope=scope,
                name=name,
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
                request_digest=body_digest(request),
            ),
        )
        row = await self._row(ActionRef(run, ROOT_ACTION))
        return run_service_pb2.CreateRunResponse(run=views.run(row))

    @staticmethod
    def _target(request: run_service_pb2.CreateRunRequest) -> tuple[Any, str | None]:
        match request.WhichOneof("id"):
            case "run_id":
                run = run_from_pb(request.run_id)
                return run.scope, run.name
            case "project_id":
                return scope_from_pb(request.project_id), None
        raise invalid("The request names neither a run nor a project.")

    async def _spec(self, request: run_service_pb2.CreateRunRequest) -> task_definition_pb2.TaskSpec:
        match request.WhichOneof("task"):
            case "task_spec":
                return request.task_spec
            case "task_id":
                task = task_from_pb(request.task_id)
                row = await self._store.read(
                    lambda tx: tx.one(
                        "tasks.get",
                        project=task.scope.project,
                        domain=task.scope.domain,
                        name=task.name,
                        version=task.version,
                    )
                )
                if row is None:
                    raise not_found(f"Task {task.name} is not deployed in version {task.version}.")
                return task_definition_pb2.TaskSpec.FromString(row["spec"])
            case "trigger_name":
                raise invalid("Triggers are not available in this version of the backend.")
        raise invalid("The request has no task.")

    async def _inputs(self, request: run_service_pb2.CreateRunRequest, project: str, domain: str) -> tuple[str, str]:
        match request.WhichOneof("input_wrapper"):
            case "offloaded_input_data":
                data = request.offloaded_input_data
                return f"{data.uri.rstrip('/')}/inputs.pb", data.inputs_hash
            case "inputs":
                body = request.inputs.SerializeToString(deterministic=True)
                key = digest(body).replace("/", "_").replace("+", "-").rstrip("=")
                uri = self._blobs.uri(project, domain, "inline-inputs", key, "inputs.pb")
                await self._blobs.write(uri, body)
                return uri, digest(body)
        uri = self._blobs.uri(project, domain, "inline-inputs", "none", "inputs.pb")
        await self._blobs.write(uri, b"")
        return uri, ""

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
    ) -> AsyncIterator[run_service_pb2.WatchRunDetailsResponse]:
        """A run's details now and after every change, until it is over."""
        run = run_from_pb(request.run_id)
        async for _ in self._changes(ActionRef(run, ROOT_ACTION)):
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
    ) -> AsyncIterator[run_service_pb2.WatchActionDetailsResponse]:
        """An action's details now and after every change, until it is over."""
        action = action_from_pb(request.action_id)
        async for _ in self._changes(action):
            yield run_service_pb2.WatchActionDetailsResponse(details=await self._details(action))

    async def _changes(self, action: ActionRef) -> AsyncIterator[Row]:
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
            raise not_found(
                f"There is no {'run ' + action.run.name if action.name == ROOT_ACTION else f'action {action.name} of run {action.run.name}'}"
                f" in {scope.project}/{scope.domain}."
            )
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
        where, values = ["actions.parent = ''"], {}
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
        limit, offset = window_of(request.request)
        sql, bound = build(
            _SELECT, where, values, conditions_of(request.request), _run_column,
            sorting_of(request.request, "created_at"), limit, offset, "runs.id",
        )  # fmt: skip
        rows = await self._store.read(lambda tx: tx.select(sql, bound))
        rows, following = cut(rows, limit, offset)
        return run_service_pb2.ListRunsResponse(
            runs=[views.run(row) for row in rows], token=page_token(following) if following else ""
        )

    async def list_actions(
        self, request: run_service_pb2.ListActionsRequest, caller: Caller
    ) -> run_service_pb2.ListActionsResponse:
        """A page of a run's actions, oldest first unless sorted."""
        run = run_from_pb(request.run_id)
        await self._row(ActionRef(run, ROOT_ACTION))
        where = ["runs.project = :project", "runs.domain = :domain", "runs.name = :run"]
        values = {"project": run.scope.project, "domain": run.scope.domain, "run": run.name}
        limit, offset = window_of(request.request)
        sql, bound = build(
            _SELECT, where, values, conditions_of(request.request), _ACTION_COLUMNS.get,
            sorting_of(request.request, "created_at", ascending=True), limit, offset, "actions.id",
        )  # fmt: skip
        rows = await self._store.read(lambda tx: tx.select(sql, bound))
        rows, following = cut(rows, limit, offset)
        return run_service_pb2.ListActionsResponse(
            actions=[views.action(row) for row in rows], token=page_token(following) if following else ""
        )

    async def watch_runs(
        self, request: run_service_pb2.WatchRunsRequest, caller: Caller
    ) -> AsyncIterator[run_service_pb2.WatchRunsResponse]:
        """The newest runs of a project, and each new one."""
        if request.WhichOneof("target") != "project_id":
            raise invalid("Runs can be watched by project.")
        scope = scope_from_pb(request.project_id)
        listener = self._store.subscribe(project_topic(scope))
        where = [
            "actions.parent = ''",
            "runs.project = :project",
            "runs.domain = :domain",
            "runs.id > :after",
        ]
        try:
            after = 0
            while True:
                values = {"project": scope.project, "domain": scope.domain, "after": after}
                sql, bound = build(
                    _SELECT, where, values, [], _run_column, sorting_of_default(), _WATCH_BATCH, 0, "runs.id"
                )
                rows = await self._store.read(lambda tx, s=sql, b=bound: tx.select(s, b))
                if rows:
                    after = max(row["run_id"] for row in rows)
                    yield run_service_pb2.WatchRunsResponse(runs=[views.run(row) for row in rows])
                await listener.wait()
        finally:
            listener.close()

    async def watch_actions(
        self, request: run_service_pb2.WatchActionsRequest, caller: Caller
    ) -> AsyncIterator[run_service_pb2.WatchActionsResponse]:
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
                    message.start_time.CopyFrom(views.stamp(one["leased_at"]))
                if one["ended_at"] is not None:
                    message.end_time.CopyFrom(views.stamp(one["ended_at"]))
                return message
        raise not_found(f"Action {row['name']} has no attempt {request.attempt}.")


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


def sorting_of_default() -> Any:
    """Newest first."""
    from flyte.server.store.listing import Sorting

    return Sorting("created_at", ascending=False)


def micros_of(stamp: Any) -> int:
    """A timestamp as microseconds."""
    return int(stamp.seconds) * 1_000_000 + int(stamp.nanos) // 1000


def cache_scope(run_spec: run_pb2.RunSpec, project: str, domain: str) -> str:
    """The scope of the results that a run may reuse: everywhere, or its own project and domain."""
    if run_spec.cache_config.cache_lookup_scope == run_pb2.CacheLookupScope.Value("CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN"):
        return f"{project}/{domain}"
    return ""


def overwrites_cache(run_spec: run_pb2.RunSpec) -> bool:
    """True when a run makes its results anew."""
    return run_spec.overwrite_cache or run_spec.cache_config.overwrite_cache


def _root_cache_key(facts: TaskFacts, spec: task_definition_pb2.TaskSpec, inputs_hash: str) -> str:
    if not facts.is_cached:
        return ""
    template = spec.task_template
    return digest(
        inputs_hash + template.id.name + interface_hash(template.interface) + template.metadata.discovery_version
    )


def run_identifier(run: RunId) -> identifier_pb2.RunIdentifier:
    """A run on the wire."""
    return run_to_pb(run)
