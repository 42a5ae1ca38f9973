"""Deployed tasks: handles, details, lists."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2

from flyte.authoring.controller import running
from flyte.client.session import require_session, require_transport
from flyte.errors import InvalidValue, RemoteTaskNotFoundError, RemoteTaskUsageError, RpcError
from flyte.model.cache import Cache, as_cache
from flyte.model.ids import Scope, TaskRef
from flyte.model.interface import NO_DEFAULT, NativeInterface
from flyte.model.retry import RetryStrategy, as_retry_strategy
from flyte.model.task import MAX_INLINE_IO_BYTES
from flyte.model.timeout import TimeoutType, as_timeout
from flyte.remote.listing import SortBy, equal, list_request, pages
from flyte.syncify import syncify
from flyte.types.transformer import Conversion
from flyte.wire.ids import project_to_pb, task_from_pb, task_to_pb
from flyte.wire.inputs import guess_interface, inputs_to_pb
from flyte.wire.services import method

AutoVersioning = Literal["latest", "current"]

SYS_PATH_VARIABLE = "_F_SYS_PATH"


def _scope(project: str | None, domain: str | None) -> Scope:
    state = running()
    if state is not None and state.context.mode == "remote":
        action = state.context.action
        return Scope(project or action.project or "", domain or action.domain or "", action.org or "")
    return require_session().scope(project, domain)


@dataclass(frozen=True)
class TaskDetails:
    """A deployed task, fetched: its interface, settings, and a call inside tasks."""

    pb2: Any
    max_inline_io_bytes: int = MAX_INLINE_IO_BYTES
    overriden_queue: str | None = None
    overridden: bool = False

    @classmethod
    def get(
        cls,
        name: str,
        project: str | None = None,
        domain: str | None = None,
        version: str | None = None,
        auto_version: AutoVersioning | None = None,
    ) -> LazyEntity:
        """A handle that is fetched when it is needed."""
        return LazyEntity(name, project, domain, version, auto_version)

    @staticmethod
    @syncify
    async def fetch(
        name: str,
        project: str | None = None,
        domain: str | None = None,
        version: str | None = None,
        auto_version: AutoVersioning | None = None,
    ) -> TaskDetails:
        """Ask for a deployed task.

        Raises:
            RemoteTaskNotFoundError: There is none of the name (or version).
        """
        return await _fetch(LazyEntity(name, project, domain, version, auto_version))

    @property
    def spec(self) -> Any:
        """The specification as the wire has it."""
        return self.pb2.spec

    @property
    def ref(self) -> TaskRef:
        """Who it is."""
        return task_from_pb(self.pb2.task_id)

    @property
    def name(self) -> str:
        """`environment.task`."""
        return str(self.pb2.task_id.name)

    @property
    def version(self) -> str:
        """Its version."""
        return str(self.pb2.task_id.version)

    @property
    def task_type(self) -> str:
        """What kind of task."""
        return str(self.spec.task_template.type)

    @cached_property
    def interface(self) -> NativeInterface:
        """Inputs and outputs, in types guessed from the wire."""
        return guess_interface(self.spec.task_template.interface, self.spec.default_inputs)

    @property
    def default_input_args(self) -> tuple[str, ...]:
        """Inputs that have a default."""
        return tuple(parameter.name for parameter in self.spec.default_inputs)

    @property
    def required_args(self) -> tuple[str, ...]:
        """Inputs without a default."""
        return tuple(name for name, (_, default) in self.interface.inputs.items() if default is NO_DEFAULT)

    @property
    def cache(self) -> Cache:
        """How its results are kept."""
        metadata = self.spec.task_template.metadata
        if not metadata.discoverable:
            return Cache("disable")
        return Cache(
            "override",
            version_override=metadata.discovery_version,
            serialize=metadata.cache_serializable,
            ignored_inputs=tuple(metadata.cache_ignore_input_vars),
        )

    @property
    def secrets(self) -> list[str]:
        """Keys of the secrets it asks for."""
        return [secret.key for secret in self.spec.task_template.security_context.secrets]

    @property
    def resources(self) -> tuple[list[Any], list[Any]]:
        """Requests and limits as the wire has them."""
        resources = self.spec.task_template.container.resources
        return list(resources.requests), list(resources.limits)

    @property
    def queue(self) -> str | None:
        """The queue it was overridden to."""
        return self.overriden_queue

    def inputs_to_pb(self, bound: Mapping[str, Any], context: Mapping[str, str] | None = None) -> Any:
        """The inputs of a run: what was given, and the stored defaults of the rest.

        Raises:
            InvalidType: A value is not of its input's type.
        """
        given = NativeInterface(
            {name: self.interface.inputs[name] for name in self.interface.inputs if name in bound}, {}
        )
        message = inputs_to_pb(given, bound, Conversion(), context)
        named = {literal.name: literal.value for literal in message.literals}
        stored = {parameter.name: parameter.parameter.default for parameter in self.spec.default_inputs}
        literals = [
            common_pb2.NamedLiteral(name=name, value=named.get(name, stored.get(name)))
            for name in self.interface.inputs
            if name in named or name in stored
        ]
        return common_pb2.Inputs(literals=literals, context=message.context)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it as a child of the running task; keyword arguments only.

        Raises:
            RemoteTaskUsageError: Positional arguments, or no task of a backend is running.
        """
        if args:
            raise RemoteTaskUsageError(f"Deployed task {self.name} is called with keyword arguments only.")
        state = running()
        if state is None:
            raise RemoteTaskUsageError(
                f"Deployed task {self.name} can be called inside a task only; outside use flyte.run({self.name!r}, …)."
            )
        return await state.controller.call_deployed(self, kwargs)

    def override(
        self,
        *,
        short_name: str | None = None,
        resources: Any = None,
        retries: int | RetryStrategy = 0,
        timeout: TimeoutType | None = None,
        env_vars: dict[str, str] | None = None,
        secrets: Any = None,
        service_account: str | None = None,
        max_inline_io_bytes: int | None = None,
        cache: Cache | None = None,
        queue: str | None = None,
        produces_artifacts: bool | None = None,
        **kwargs: Any,
    ) -> TaskDetails:
        """A copy with some settings changed.

        Raises:
            RemoteTaskUsageError: A setting that a deployed task does not let change.
        """
        if kwargs or resources is not None or secrets is not None:
            refused = [
                *kwargs,
                *(["resources"] if resources is not None else []),
                *(["secrets"] if secrets is not None else []),
            ]
            raise RemoteTaskUsageError(f"Deployed task {self.name} does not let {', '.join(refused)} be overridden.")
        pb2 = copy.deepcopy(self.pb2)
        template = pb2.spec.task_template
        if short_name:
            pb2.spec.short_name = short_name
        if retries:
            template.metadata.retries.retries = as_retry_strategy(retries).count
        bound = as_timeout(timeout).bound("max_runtime") if timeout else None
        if bound is not None:
            template.metadata.timeout.FromTimedelta(bound)
        if env_vars:
            # Where the modules lie belongs to the deployment, whatever the task's own variables are.
            own = [pair for pair in template.container.env if pair.key == SYS_PATH_VARIABLE]
            # Where the modules lie belongs to the deployment, whatever the task's own variables are.
            folders = [pair for pair in template.container.env if pair.key == "_F_SYS_PATH"]
            del template.container.env[:]
            template.container.env.extend(folders)
            template.container.env.extend(own)
            template.container.env.extend(literals_pb2.KeyValuePair(key=k, value=v) for k, v in env_vars.items())
        if service_account:
            template.security_context.run_as.k8s_service_account = service_account
        if produces_artifacts is not None:
            template.metadata.produces_artifacts = produces_artifacts
        if cache is not None:
            _override_cache(template.metadata, as_cache(cache), self.name)
        return replace(
            self,
            pb2=pb2,
            overridden=True,
            overriden_queue=queue or self.overriden_queue,
            max_inline_io_bytes=max_inline_io_bytes or self.max_inline_io_bytes,
        )

    def __repr__(self) -> str:
        return f"TaskDetails({self.name}:{self.version})"


def _override_cache(metadata: Any, cache: Cache, name: str) -> None:
    if cache.behavior == "auto":
        raise RemoteTaskUsageError(
            f"Deployed task {name}: cache can be 'disable' or 'override', its code is not at hand."
        )
    metadata.discoverable = cache.is_enabled()
    if cache.is_enabled() and cache.version_override:
        metadata.discovery_version = cache.version_override


class LazyEntity:
    """A handle on a deployed task that asks the backend when it has to, and once only."""

    def __init__(
        self,
        name: str,
        project: str | None = None,
        domain: str | None = None,
        version: str | None = None,
        auto_version: AutoVersioning | None = None,
    ) -> None:
        if not version and not auto_version:
            raise InvalidValue(f"Task.get({name!r}): either version or auto_version must be provided.")
        if auto_version is not None and auto_version not in ("latest", "current"):
            raise InvalidValue(f"Task.get({name!r}): auto_version must be 'latest' or 'current', not {auto_version!r}.")
        self.name = name
        self.project = project
        self.domain = domain
        self.version = version
        self.auto_version = auto_version
        self._details: TaskDetails | None = None

    async def _fetch(self) -> TaskDetails:
        if self._details is None:
            self._details = await _fetch(self)
        return self._details

    @syncify
    async def fetch(self) -> TaskDetails:
        """Ask for the task.

        Raises:
            RemoteTaskNotFoundError: There is none of the name (or version).
        """
        return await self._fetch()

    @syncify
    async def override(self, **kwargs: Any) -> TaskDetails:
        """See `TaskDetails.override`."""
        return (await self._fetch()).override(**kwargs)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `TaskDetails.__call__`."""
        state = running()
        if state is not None and state.context.mode == "local":
            return await state.controller.call_deployed(self, kwargs)
        return await (await self._fetch())(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Task({self.name}:{self.version or self.auto_version})"


async def _fetch(handle: LazyEntity) -> TaskDetails:
    scope = _scope(handle.project, handle.domain)
    version = handle.version
    if version is None and handle.auto_version == "current":
        state = running()
        if state is None:
            raise InvalidValue(f"Task.get({handle.name!r}, auto_version='current') works inside a task only.")
        version = state.context.version
    if version is None:
        version = await _newest_version(handle.name, scope)
    request = method("TaskService", "GetTaskDetails").request(task_id=task_to_pb(TaskRef(scope, handle.name, version)))
    try:
        answer = await require_transport().unary("TaskService", "GetTaskDetails", request)
    except RpcError as e:
        if e.code == "not_found":
            raise RemoteTaskNotFoundError(e.message) from e
        raise
    return TaskDetails(answer.details)


async def _newest_version(name: str, scope: Scope) -> str:
    page = list_request(equal("name", name), None, ("created_at", "desc"), 1)
    request = method("TaskService", "ListTasks").request(request=page, project_id=project_to_pb(scope))
    answer = await require_transport().unary("TaskService", "ListTasks", request)
    if not answer.tasks:
        raise RemoteTaskNotFoundError(
            f"No task {name} is deployed in {scope.project}/{scope.domain}. "
            "Deploy it with: flyte deploy FILE ENVIRONMENT"
        )
    return str(answer.tasks[0].task_id.version)


@dataclass
class Task:
    """A deployed task in a list, and the way to get one."""

    pb2: Any

    @property
    def name(self) -> str:
        """`environment.task`."""
        return str(self.pb2.task_id.name)

    @property
    def version(self) -> str:
        """Its version."""
        return str(self.pb2.task_id.version)

    @property
    def environment(self) -> str:
        """Its environment."""
        return str(self.pb2.metadata.environment_name)

    @property
    def entrypoint(self) -> bool:
        """True when it is marked to be started by people."""
        return bool(getattr(self.pb2.metadata, "is_entrypoint", False))

    @property
    def url(self) -> str:
        """Its page in the console."""
        task = self.pb2.task_id
        scope = Scope(project=task.project, domain=task.domain, org=task.org)
        return require_session().console_url(scope, "tasks", f"{self.name}/{self.version}")

    @classmethod
    def get(
        cls,
        name: str,
        project: str | None = None,
        domain: str | None = None,
        version: str | None = None,
        auto_version: AutoVersioning | None = None,
    ) -> LazyEntity:
        """A handle on a deployed task; nothing is asked until it is used.

        Args:
            auto_version: `"latest"` for the newest version, `"current"` for that of the running task.

        Raises:
            InvalidValue: Neither a version nor `auto_version` is given.
        """
        return LazyEntity(name, project, domain, version, auto_version)

    @staticmethod
    @syncify
    async def listall(
        by_task_name: str | None = None,
        by_task_env: str | None = None,
        project: str | None = None,
        domain: str | None = None,
        sort_by: SortBy | None = None,
        limit: int = 100,
        entrypoint: bool | None = None,
    ) -> AsyncIterator[Task]:
        """Deployed tasks, newest first unless sorted; each in its newest version."""
        scope = _scope(project, domain)
        filters = [*equal("name", by_task_name), *equal("environment_name", by_task_env)]
        request = list_request(filters, sort_by, ("created_at", "desc"), limit)

        async def fetch(page: Any) -> Any:
            call = method("TaskService", "ListTasks").request(request=page, project_id=project_to_pb(scope))
            if entrypoint is not None:
                call.known_filters.add(is_entrypoint=entrypoint)
            return await require_transport().unary("TaskService", "ListTasks", call)

        async for row in pages(fetch, request, lambda answer: answer.tasks, limit):
            yield Task(row)

    @staticmethod
    @syncify
    async def versions(
        name: str, project: str | None = None, domain: str | None = None, limit: int = 100
    ) -> AsyncIterator[Any]:
        """The versions of a task, newest first."""
        scope = _scope(project, domain)
        request = list_request([], None, ("created_at", "desc"), limit)

        async def fetch(page: Any) -> Any:
            call = method("TaskService", "ListVersions").request(request=page)
            target = call.task_name
            target.org, target.project, target.domain, target.name = (
                scope.org,
                scope.project,
                scope.domain,
                name,
            )
            return await require_transport().unary("TaskService", "ListVersions", call)

        async for row in pages(fetch, request, lambda answer: answer.versions, limit):
            yield row
