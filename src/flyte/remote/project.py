"""Projects, and who one is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from flyteidl2.project import project_service_pb2

from flyte.client.session import require_session, require_transport
from flyte.errors import InvalidValue
from flyte.remote.listing import SortBy
from flyte.syncify import syncify
from flyte.wire.services import method

_STATES = {"active": "PROJECT_STATE_ACTIVE", "archived": "PROJECT_STATE_ARCHIVED"}


async def _call(name: str, **fields: Any) -> Any:
    row = method("ProjectService", name)
    return await require_transport().unary("ProjectService", name, row.request(**fields))


def _org() -> str:
    return require_session().config.task.org or ""


@dataclass
class Project:
    """A project: a space for tasks and runs."""

    pb2: Any

    @property
    def id(self) -> str:
        """The name that everything else refers to."""
        return str(self.pb2.id)

    @staticmethod
    @syncify
    async def get(name: str) -> Project:
        """A project by its id.

        Raises:
            RpcError: There is none (code `not_found`).
        """
        return Project((await _call("GetProject", id=name, org=_org())).project)

    @staticmethod
    @syncify
    async def create(id: str, name: str, description: str = "", labels: dict[str, str] | None = None) -> Project:
        """Make a project, with all domains.

        Raises:
            RpcError: There is one already (code `already_exists`).
        """
        project = project_service_pb2.Project(id=id, name=name, description=description, org=_org())
        project.labels.values.update(labels or {})
        await _call("CreateProject", project=project)
        return await Project.get.aio(id)

    @staticmethod
    @syncify
    async def update(
        id: str,
        name: str | None = None,
        description: str | None = None,
        labels: dict[str, str] | None = None,
        state: Literal["archived", "active"] | None = None,
    ) -> Project:
        """Change what a project says of itself, or archive it.

        Raises:
            InvalidValue: `state` is neither `"active"` nor `"archived"`.
            RpcError: There is no such project (code `not_found`).
        """
        if state is not None and state not in _STATES:
            raise InvalidValue(f"The state of a project is 'active' or 'archived', not {state!r}.")
        current = (await _call("GetProject", id=id, org=_org())).project
        changed = project_service_pb2.Project(
            id=id,
            name=name or current.name,
            description=description if description is not None else current.description,
            org=_org(),
            state=project_service_pb2.ProjectState.Value(_STATES[state]) if state else current.state,
        )
        changed.labels.values.update(labels if labels is not None else dict(current.labels.values))
        await _call("UpdateProject", project=changed)
        return await Project.get.aio(id)

    def archive(self) -> Project:
        """Hide it from lists."""
        return Project.update(self.id, state="archived")

    def unarchive(self) -> Project:
        """Show it in lists again."""
        return Project.update(self.id, state="active")

    @staticmethod
    @syncify
    async def listall(
        filters: str | None = None, sort_by: SortBy | None = None, archived: bool = False
    ) -> AsyncIterator[Project]:
        """All projects by name; the archived ones with `archived`."""
        token = ""
        while True:
            answer = await _call(
                "ListProjects",
                limit=100,
                token=token,
                org=_org(),
                filters=filters or ("value_in(state,1)" if archived else ""),
            )
            for project in answer.projects.projects:
                yield Project(project)
            token = answer.projects.token
            if not token:
                return


@dataclass
class User:
    """Who makes the requests."""

    pb2: Any

    @staticmethod
    @syncify
    async def get() -> User:
        """Ask the backend who one is."""
        row = method("IdentityService", "UserInfo")
        return User(await require_transport().unary("IdentityService", "UserInfo", row.request()))

    def subject(self) -> str:
        """The stable identifier."""
        return str(self.pb2.subject)

    def name(self) -> str:
        """The name for people."""
        return str(self.pb2.name)
