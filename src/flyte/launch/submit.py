"""Starting runs on a backend (wire_protocol §4)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from flyte.authoring.controller import running
from flyte.authoring.task import TaskTemplate
from flyte.client.session import Session
from flyte.client.uploads import select_cluster
from flyte.launch.packing import Packed, environments_of, pack
from flyte.launch.running import RunOptions
from flyte.model.context import RawDataPath
from flyte.model.ids import RunId, Scope
from flyte.model.interface import NativeInterface
from flyte.model.task import Placement, RunSettings
from flyte.remote.run import DryRun, Run
from flyte.remote.task import LazyEntity, TaskDetails
from flyte.runtime.invocation import bound_arguments
from flyte.runtime.serialised import definition_of, image_uri
from flyte.runtime.source import repository_at
from flyte.types.transformer import Conversion
from flyte.wire.ids import project_to_pb, run_to_pb, task_to_pb
from flyte.wire.imagecache import encode_image_cache
from flyte.wire.inputs import inputs_to_pb, refuse_oversized
from flyte.wire.runspec import run_spec, set_spawned_by, set_start_time
from flyte.wire.services import method
from flyte.wire.taskspec import task_spec


def _scope(session: Session, options: RunOptions) -> Scope:
    if options.dry_run and session.transport is None:
        task = session.config.task
        return Scope(options.project or task.project or "project", options.domain or task.domain or "development")
    return session.scope(options.project, options.domain)


def placement_of(packed: Packed, scope: Scope, session: Session, *, in_container: bool = False) -> Placement:
    """Where a task of a packed plan is serialised.

    Args:
        in_container: Put the `sys.path` folders into the container's environment (a deployment), not into the
            run's (an ephemeral run).
    """
    return Placement(
        version=packed.version,
        project=scope.project,
        domain=scope.domain,
        org=scope.org,
        code_bundle=packed.bundle,
        image_cache=encode_image_cache(packed.images),
        sys_path=packed.sys_path if in_container else None,
        root_dir=session.root_dir,
        # A deployment that has no version yet is about to get one, which must not follow from the commit.
        repository=repository_at(session.root_dir) if in_container and packed.version else None,
    )


async def run_ephemeral(
    session: Session,
    task: TaskTemplate[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: RunOptions,
) -> Run:
    """Send a task's code and specification along with the run; nothing is deployed."""
    scope = _scope(session, options)
    bound = bound_arguments(task, args, kwargs)
    plan = environments_of(task)
    packed = await pack(
        plan,
        session,
        scope,
        copy_style=options.copy_style,
        version=options.version,
        copy_bundle_to=options.copy_bundle_to,
        upload=not options.dry_run,
    )
    placement = placement_of(packed, scope, session)
    image = packed.images.get(task.parent_env_name or "") or image_uri(task, session.images)
    spec = task_spec(definition_of(task, placement, image), placement, is_deployment=False)
    conversion = Conversion(RawDataPath.from_local_folder())
    inputs = await asyncio.to_thread(inputs_to_pb, task.interface, bound, conversion, options.custom_context)
    refuse_oversized(inputs, task.max_inline_io_bytes, task.name, "inputs")
    if options.dry_run:
        return DryRun(spec, inputs, packed.bundle)
    request = method("RunService", "CreateRun").request(task_spec=spec)
    return await _start(session, scope, request, inputs, options, packed.sys_path, task.interface)


async def run_deployed(
    session: Session,
    task: LazyEntity | TaskDetails,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: RunOptions,
) -> Run:
    """Run a deployed task as it was deployed."""
    details = task if isinstance(task, TaskDetails) else await task.fetch.aio()
    scope = _scope(session, options)
    interface = details.interface
    bound = bound_arguments(details, args, kwargs)
    inputs = await asyncio.to_thread(details.inputs_to_pb, bound, options.custom_context)
    request = method("RunService", "CreateRun").request()
    if details.overridden:
        request.task_spec.CopyFrom(details.spec)
    else:
        request.task_id.CopyFrom(task_to_pb(details.ref))
    return await _start(session, scope, request, inputs, options, None, interface)


async def _start(
    session: Session,
    scope: Scope,
    request: Any,
    inputs: Any,
    options: RunOptions,
    sys_path: str | None,
    interface: NativeInterface,
) -> Run:
    transport = session.transport
    assert transport is not None
    upload = method("DataProxyService", "UploadInputs").request(inputs=inputs, base_dir=options.run_base_dir or "")
    if options.name:
        run = run_to_pb(RunId(scope, options.name))
        upload.run_id.CopyFrom(run)
        request.run_id.CopyFrom(run)
    else:
        upload.project_id.CopyFrom(project_to_pb(scope))
        request.project_id.CopyFrom(project_to_pb(scope))
    if request.HasField("task_spec"):
        upload.task_spec.CopyFrom(request.task_spec)
    else:
        upload.task_id.CopyFrom(request.task_id)
    await select_cluster(transport, scope, "OPERATION_UPLOAD_INPUTS")
    uploaded = await transport.unary("DataProxyService", "UploadInputs", upload)
    request.offloaded_input_data.CopyFrom(uploaded.offloaded_input_data)
    request.run_spec.CopyFrom(run_spec(_user_variables_first(options.run_settings(sys_path), options.env_vars or {})))
    _relate(request)
    if options.run_start_time is not None:
        set_start_time(request, options.run_start_time)
    answer = await transport.unary("RunService", "CreateRun", request)
    return Run(answer.run, interface=interface)


def _user_variables_first(settings: RunSettings, own: dict[str, str]) -> RunSettings:
    return replace(settings, env_vars={**own, **settings.env_vars})


def _relate(request: Any) -> None:
    """A run that a task starts says which run it comes from."""
    state = running()
    if state is None or state.context.mode != "remote":
        return
    action = state.context.action
    scope = Scope(action.project or "", action.domain or "", action.org or "")
    set_spawned_by(request, RunId(scope, action.run_name or ""))


__all__ = ["run_deployed", "run_ephemeral"]
