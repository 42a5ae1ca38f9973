"""ProjectService: make, change, show and list projects."""

from __future__ import annotations

import json

from flyteidl2.project import project_service_pb2
from flyteidl2.task import run_pb2 as task_run_pb2

from flyte.errors import RpcError
from flyte.model.ids import Scope
from flyte.server.clock import Clock
from flyte.server.services.caller import Caller, not_found
from flyte.server.services.lists import from_page_token, page_token
from flyte.server.settings import DOMAINS
from flyte.server.store.listing import page_size
from flyte.server.store.port import Row, Store, Transaction


class ProjectService:
    """See the module."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create_project(
        self, request: project_service_pb2.CreateProjectRequest, caller: Caller
    ) -> project_service_pb2.CreateProjectResponse:
        """Make a project, with all domains."""
        project = request.project
        Scope(project.id, DOMAINS[0])
        made = await self._store.write(
            lambda tx: tx.run(
                "projects.add",
                name=project.id,
                title=project.name or project.id,
                description=project.description,
                labels=json.dumps(dict(project.labels.values)),
                now=self._clock(),
            )
        )
        if not made:
            raise RpcError(f"A project {project.id!r} exists already.", code="already_exists")
        return project_service_pb2.CreateProjectResponse()

    async def update_project(
        self, request: project_service_pb2.UpdateProjectRequest, caller: Caller
    ) -> project_service_pb2.UpdateProjectResponse:
        """Change what a project says of itself, or archive it."""
        project = request.project

        async def transaction(tx: Transaction) -> None:
            row = await tx.one("projects.get", name=project.id)
            if row is None:
                raise not_found(f"There is no project {project.id!r}.")
            archived = project.state == project_service_pb2.ProjectState.Value("PROJECT_STATE_ARCHIVED")
            await tx.run(
                "projects.update",
                name=project.id,
                title=project.name or row["title"],
                description=project.description or row["description"],
                labels=json.dumps(dict(project.labels.values)) if project.labels.values else row["labels"],
                archived=int(archived),
            )

        await self._store.write(transaction)
        return project_service_pb2.UpdateProjectResponse()

    async def get_project(
        self, request: project_service_pb2.GetProjectRequest, caller: Caller
    ) -> project_service_pb2.GetProjectResponse:
        """One project."""
        row = await self._store.read(lambda tx: tx.one("projects.get", name=request.id))
        if row is None:
            raise not_found(f"There is no project {request.id!r}.")
        return project_service_pb2.GetProjectResponse(project=_project(row, request.org))

    async def list_projects(
        self, request: project_service_pb2.ListProjectsRequest, caller: Caller
    ) -> project_service_pb2.ListProjectsResponse:
        """A page of projects by name; archived ones when the filter says so."""
        limit = page_size(request.limit)
        after = from_page_token(request.token).get("after", "")
        archived = int("state" in request.filters and ("1" in request.filters or "ARCHIVED" in request.filters))
        rows = await self._store.read(
            lambda tx: tx.all("projects.page", after=str(after), archived=archived, limit=limit + 1)
        )
        token = page_token({"after": rows[limit - 1]["name"]}) if len(rows) > limit else ""
        projects = [_project(row, request.org) for row in rows[:limit]]
        return project_service_pb2.ListProjectsResponse(
            projects=project_service_pb2.Projects(projects=projects, token=token)
        )


def _project(row: Row, org: str) -> project_service_pb2.Project:
    states = project_service_pb2.ProjectState
    return project_service_pb2.Project(
        id=row["name"],
        name=row["title"],
        description=row["description"],
        labels=task_run_pb2.Labels(values=json.loads(row["labels"])),
        state=states.Value("PROJECT_STATE_ARCHIVED" if row["archived"] else "PROJECT_STATE_ACTIVE"),
        domains=[project_service_pb2.Domain(id=domain, name=domain) for domain in DOMAINS],
        org=org,
    )
