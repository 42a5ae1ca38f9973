"""`flyte.deploy`: plans → deployed tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flyte.authoring.environment import Environment, TaskEnvironment
from flyte.client.session import Session, current_session, require_session
from flyte.errors import DeploymentError, FeatureNotAvailable, RpcError
from flyte.launch.packing import Packed, deploy_version, pack
from flyte.launch.plan import plans, tasks_of
from flyte.launch.submit import placement_of
from flyte.model.ids import Scope, TaskRef
from flyte.model.task import Placement
from flyte.runtime.serialised import definition_of, image_uri
from flyte.syncify import bridge
from flyte.wire.ids import task_to_pb
from flyte.wire.services import method
from flyte.wire.taskspec import task_spec


@dataclass(frozen=True)
class DeployedTask:
    """One task of a deployment.

    Args:
        deployed_task: Its TaskSpec.
        is_new: False when this version was there already, unchanged.
    """

    deployed_task: Any
    is_new: bool = True
    deployed_triggers: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """`environment.task`."""
        return str(self.deployed_task.task_template.id.name)

    @property
    def version(self) -> str:
        """Its version."""
        return str(self.deployed_task.task_template.id.version)

    def summary_repr(self) -> str:
        """One line about it."""
        return f"DeployedTask(name={self.name}, version={self.version})"

    def table_repr(self) -> list[tuple[str, str]]:
        """Rows of (what, value)."""
        return [("type", "task"), ("name", self.name), ("version", self.version), ("triggers", "")]


@dataclass(frozen=True)
class DeployedTaskEnvironment:
    """One environment of a deployment."""

    env: Environment
    deployed_entities: list[DeployedTask]
    image: str = ""

    def get_name(self) -> str:
        """The environment's name."""
        return self.env.name

    def summary_repr(self) -> str:
        """One line about it."""
        entities = ", ".join(task.summary_repr() for task in self.deployed_entities)
        return f"Deployment(env=[{self.env.name}], entities=[{entities}])"

    def table_repr(self) -> list[list[tuple[str, str]]]:
        """Rows about its tasks."""
        return [task.table_repr() for task in self.deployed_entities]

    def env_repr(self) -> list[tuple[str, str]]:
        """Rows about the environment itself."""
        return [("environment", self.env.name), ("image", self.image)]


@dataclass(frozen=True)
class Deployment:
    """What `flyte.deploy` did for one environment and all that it depends on.

    Args:
        envs: Environment → what became of it.
    """

    envs: dict[str, DeployedTaskEnvironment] = field(default_factory=dict)
    version: str = ""

    def summary_repr(self) -> str:
        """All in one line.

        Example:
            Deployment(envs=[Deployment(env=[my_env], entities=[DeployedTask(name=my_env.my_task, version=…)])])
        """
        return f"Deployment(envs=[{', '.join(env.summary_repr() for env in self.envs.values())}])"

    def table_repr(self) -> list[list[tuple[str, str]]]:
        """Rows about all tasks."""
        return [row for env in self.envs.values() for row in env.table_repr()]

    def env_repr(self) -> list[list[tuple[str, str]]]:
        """Rows about all environments."""
        return [env.env_repr() for env in self.envs.values()]


async def _deploy(
    envs: Sequence[Environment], *, dry_run: bool, version: str | None, copy_style: str
) -> list[Deployment]:
    session = (current_session() or Session()) if dry_run else require_session()
    task = session.config.task
    if dry_run:
        scope = Scope(task.project or "project", task.domain or "development", task.org or "")
    else:
        scope = session.scope()
    made = []
    for plan in plans(envs):
        packed = await pack(plan, session, scope, copy_style=copy_style, version=version, upload=not dry_run)
        made.append(await _deploy_plan(plan, packed, session, scope, version, dry_run=dry_run))
    return made


async def _deploy_plan(
    plan: Sequence[Environment],
    packed: Packed,
    session: Session,
    scope: Scope,
    version: str | None,
    *,
    dry_run: bool,
) -> Deployment:
    unversioned = Packed(packed.bundle, "", packed.images, packed.sys_path)
    blank = placement_of(unversioned, scope, session, in_container=True)
    if version is None:
        specs = [_spec(task, blank, packed, session) for task in tasks_of(plan)]
        for spec in specs:
            _leave_out_the_commit(spec)
        version = deploy_version(packed, [spec.SerializeToString(deterministic=True) for spec in specs])
    versioned = Packed(packed.bundle, version, packed.images, packed.sys_path)
    placement = placement_of(versioned, scope, session, in_container=True)
    deployed: dict[str, DeployedTaskEnvironment] = {}
    for env in plan:
        tasks = list(env.tasks.values()) if isinstance(env, TaskEnvironment) else []
        specs_of_env = [_spec(task, placement, packed, session) for task in tasks]
        calls = [_deploy_task(spec, session, scope, dry_run=dry_run) for spec in specs_of_env]
        # All are asked, and of several refusals the first in order of declaration is told, every time the same.
        results = await asyncio.gather(*calls, return_exceptions=True)
        made = [_or_raise(result) for result in results]
        deployed[env.name] = DeployedTaskEnvironment(env, made, packed.images.get(env.name, ""))
    return Deployment(deployed, version)


def _spec(task: Any, placement: Placement, packed: Packed, session: Session) -> Any:
    image = packed.images.get(task.parent_env_name or "") or image_uri(task, session.images)
    return task_spec(definition_of(task, placement, image), placement)


def _leave_out_the_commit(spec: Any) -> None:
    """The same code in another commit is the same version; only the link to its source differs."""
    if spec.HasField("documentation"):
        spec.documentation.ClearField("source_code")


def _or_raise(result: DeployedTask | BaseException) -> DeployedTask:
    if isinstance(result, BaseException):
        raise result
    return result


async def _deploy_task(spec: Any, session: Session, scope: Scope, *, dry_run: bool) -> DeployedTask:
    if dry_run:
        return DeployedTask(spec)
    identifier = spec.task_template.id
    ref = TaskRef(scope, identifier.name, identifier.version)
    request = method("TaskService", "DeployTask").request(task_id=task_to_pb(ref), spec=spec)
    assert session.transport is not None
    try:
        await session.transport.unary("TaskService", "DeployTask", request)
    except RpcError as e:
        if e.code == "already_exists":
            return DeployedTask(spec, is_new=False)
        if e.code == "unavailable":
            raise
        raise DeploymentError(f"Task {identifier.name} was not deployed: {e.message}") from e
    return DeployedTask(spec)


def _checked(interactive_mode: bool | None, dryrun: bool | None, dry_run: bool) -> bool:
    if interactive_mode:
        raise FeatureNotAvailable("Deploying from a notebook is not available yet; see docs/compatibility.md.")
    return dry_run or bool(dryrun)


class _Deploy:
    """Deploy environments, each with all that it depends on.

    Args:
        *envs: The environments.
        dry_run: Plan and serialise, but send nothing; works without a backend. Also spelled `dryrun`.
        version: The version; by default it follows from code, environments and images.
        copy_style: Which files become the code bundle.

    Returns:
        One `Deployment` for each environment that no earlier one covers.

    Raises:
        DeploymentError: The backend refused a task, a version with other content say.
        InvalidValue: Two environments have one name, or a setting cannot be.
        InitializationError: No backend is configured.

    Example:
        >>> print(flyte.deploy(env)[0].summary_repr())  # doctest: +SKIP
    """

    def __call__(
        self,
        *envs: Environment,
        dry_run: bool = False,
        version: str | None = None,
        interactive_mode: bool | None = None,
        copy_style: str = "loaded_modules",
        dryrun: bool | None = None,
    ) -> list[Deployment]:
        dry = _checked(interactive_mode, dryrun, dry_run)
        return bridge.run(_deploy(envs, dry_run=dry, version=version, copy_style=copy_style))

    async def aio(
        self,
        *envs: Environment,
        dry_run: bool = False,
        version: str | None = None,
        interactive_mode: bool | None = None,
        copy_style: str = "loaded_modules",
        dryrun: bool | None = None,
    ) -> list[Deployment]:
        """The asynchronous form."""
        dry = _checked(interactive_mode, dryrun, dry_run)
        return await _deploy(envs, dry_run=dry, version=version, copy_style=copy_style)


deploy = _Deploy()
