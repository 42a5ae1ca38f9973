"""TaskService: deploy, show and list tasks."""

from __future__ import annotations

from typing import Any

from flyteidl2.task import task_definition_pb2, task_service_pb2

from flyte.errors import RpcError
from flyte.server.clock import Clock
from flyte.server.engine.runs import require_project
from flyte.server.services.caller import Caller, invalid, not_found
from flyte.server.services.lists import conditions_of, cut, page_of, sorting_of, time_value
from flyte.server.services.specs import task_facts
from flyte.server.services.times import stamp
from flyte.server.store.listing import Column, Listing, build
from flyte.server.store.port import Row, Store, Transaction
from flyte.wire.ids import scope_from_pb, task_from_pb

_COLUMNS = {
    "name": Column("tasks.name"),
    "task_name": Column("tasks.name"),
    "version": Column("tasks.version"),
    "environment_name": Column("tasks.environment"),
    "environment": Column("tasks.environment"),
    "created_at": Column("tasks.deployed_at", time_value),
    "deployed_at": Column("tasks.deployed_at", time_value),
}
_LISTING = Listing("tasks.*", "tasks", _COLUMNS.get, "tasks.id")
_NEWEST = (
    "tasks.id = (SELECT newest.id FROM tasks AS newest WHERE newest.project = tasks.project AND "
    "newest.domain = tasks.domain AND newest.name = tasks.name "
    "ORDER BY newest.deployed_at DESC, newest.id DESC LIMIT 1)"
)


class TaskService:
    """See the module."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def deploy_task(
        self, request: task_service_pb2.DeployTaskRequest, caller: Caller
    ) -> task_service_pb2.DeployTaskResponse:
        """Keep a version of a task. The same version again must be the same task, from whichever commit it comes."""
        if request.triggers:
            raise RpcError(
                "Triggers are not available in this version of the backend: deploy the task without them.",
                code="unimplemented",
            )
        task = task_from_pb(request.task_id)
        facts = task_facts(request.spec, task.scope, task)

        async def transaction(tx: Transaction) -> None:
            await require_project(tx, task.scope)
            known = await tx.one(
                "tasks.get",
                project=task.scope.project,
                domain=task.scope.domain,
                name=task.name,
                version=task.version,
            )
            if known is not None:
                difference = _difference(bytes(known["spec"]), request.spec)
                if difference is None:
                    raise RpcError(
                        f"Task {task.name} is deployed in version {task.version} already, unchanged.",
                        code="already_exists",
                    )
                raise RpcError(
                    f"Task {task.name} is deployed in version {task.version} with different content: {difference} "
                    "differs. Give another version.",
                    code="failed_precondition",
                )
            await tx.run("tasks.put_spec", digest=facts.spec_digest, body=facts.spec)
            await tx.run(
                "tasks.add",
                org=task.scope.org,
                project=task.scope.project,
                domain=task.scope.domain,
                name=task.name,
                version=task.version,
                environment=facts.environment,
                short_name=facts.short_name,
                description=request.spec.documentation.short_description,
                is_entrypoint=int(request.spec.task_template.metadata.is_entrypoint),
                spec_digest=facts.spec_digest,
                now=self._clock(),
            )

        await self._store.write(transaction)
        return task_service_pb2.DeployTaskResponse()

    async def get_task_details(
        self, request: task_service_pb2.GetTaskDetailsRequest, caller: Caller
    ) -> task_service_pb2.GetTaskDetailsResponse:
        """One version of a task, with its specification."""
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
            raise not_found(
                f"Task {task.name} is not deployed in version {task.version} in "
                f"{task.scope.project}/{task.scope.domain}."
            )
        details = task_definition_pb2.TaskDetails(
            task_id=_identifier(row),
            metadata=_metadata(row),
            spec=task_definition_pb2.TaskSpec.FromString(row["spec"]),
        )
        return task_service_pb2.GetTaskDetailsResponse(details=details)

    async def list_tasks(
        self, request: task_service_pb2.ListTasksRequest, caller: Caller
    ) -> task_service_pb2.ListTasksResponse:
        """A page of tasks, each in its newest version unless a version is asked for."""
        where: list[str] = []
        values: dict[str, Any] = {}
        if request.WhichOneof("scope_by") == "project_id":
            scope = scope_from_pb(request.project_id)
            where += ["tasks.project = :project", "tasks.domain = :domain"]
            values |= {"project": scope.project, "domain": scope.domain}
        for known in request.known_filters:
            if known.WhichOneof("filter_by") == "is_entrypoint":
                where.append("tasks.is_entrypoint = :is_entrypoint")
                values["is_entrypoint"] = int(known.is_entrypoint)
        conditions = conditions_of(request.request)
        if not any(condition.field == "version" for condition in conditions):
            where.append(_NEWEST)
        page = page_of(request.request)
        sorting = sorting_of(request.request, "created_at")
        sql, bound = build(self._store.dialect, _LISTING, where, values, conditions, sorting, page)
        rows, token = cut(await self._store.read(lambda tx: tx.select(sql, bound)), page)
        return task_service_pb2.ListTasksResponse(
            tasks=[task_definition_pb2.Task(task_id=_identifier(row), metadata=_metadata(row)) for row in rows],
            token=token,
        )

    async def list_versions(
        self, request: task_service_pb2.ListVersionsRequest, caller: Caller
    ) -> task_service_pb2.ListVersionsResponse:
        """A page of the versions of a task, newest first unless sorted."""
        name = request.task_name
        if not name.name:
            raise invalid("The request names no task.")
        where = ["tasks.project = :project", "tasks.domain = :domain", "tasks.name = :task"]
        values = {"project": name.project, "domain": name.domain, "task": name.name}
        page, conditions = page_of(request.request), conditions_of(request.request)
        sorting = sorting_of(request.request, "created_at")
        sql, bound = build(self._store.dialect, _LISTING, where, values, conditions, sorting, page)
        rows, token = cut(await self._store.read(lambda tx: tx.select(sql, bound)), page)
        version = task_service_pb2.ListVersionsResponse.VersionResponse
        return task_service_pb2.ListVersionsResponse(
            versions=[version(version=row["version"], deployed_at=stamp(row["deployed_at"])) for row in rows],
            token=token,
        )


def _difference(known: bytes, spec: task_definition_pb2.TaskSpec) -> str | None:
    """The first part of a specification that is not as it was; None where it is the same task.

    The link to the sources names a commit. The same code in another commit is the same task.
    """
    before, after = task_definition_pb2.TaskSpec.FromString(known), task_definition_pb2.TaskSpec()
    after.CopyFrom(spec)
    for one in (before, after):
        one.documentation.ClearField("source_code")
    if before == after:
        return None
    for message, other in ((before.task_template, after.task_template), (before, after)):
        for field in message.DESCRIPTOR.fields:
            if getattr(message, field.name) != getattr(other, field.name) and field.name != "task_template":
                return str(field.name)
    return "the specification"


def _identifier(row: Row) -> task_definition_pb2.TaskIdentifier:
    return task_definition_pb2.TaskIdentifier(
        org=row["org"], project=row["project"], domain=row["domain"], name=row["name"], version=row["version"]
    )


def _metadata(row: Row) -> task_definition_pb2.TaskMetadata:
    return task_definition_pb2.TaskMetadata(
        short_name=row["short_name"],
        deployed_at=stamp(row["deployed_at"]),
        environment_name=row["environment"],
        short_description=row["description"],
    )
