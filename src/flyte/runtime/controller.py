"""Children through a backend: the controller of a task that a backend runs (wire_protocol §5.4).

User code calls from whatever thread or loop it is on; everything that talks to the backend runs on one loop of
its own, so that user code that blocks its loop does not hold up its children.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from flyteidl2.task import common_pb2, task_definition_pb2

from flyte.authoring.controller import Running, running
from flyte.authoring.task import TaskTemplate
from flyte.client.transport import Transport
from flyte.errors import (
    ActionAbortedError,
    BaseRuntimeError,
    RpcError,
    RuntimeSystemError,
    StorageError,
    from_code,
    timed_out,
)
from flyte.model.context import TaskContext
from flyte.model.ids import ActionRef, TaskRef
from flyte.model.image import is_default_image
from flyte.model.interface import NativeInterface
from flyte.model.naming import child_name
from flyte.model.phase import ActionPhase
from flyte.model.task import Placement
from flyte.runtime.invocation import bound_arguments
from flyte.runtime.serialised import definition_of, image_uri
from flyte.runtime.watch import ChildWatch
from flyte.storage.port import join, store_for
from flyte.syncify import Bridge
from flyte.types.engine import engine
from flyte.types.transformer import Conversion
from flyte.wire.failures import error_from_pb, error_kind
from flyte.wire.ids import action_to_pb, task_to_pb
from flyte.wire.inputs import as_return_value, inputs_to_pb, outputs_from_pb, refuse_oversized
from flyte.wire.keys import cache_key, inputs_hash, task_identity
from flyte.wire.phases import phase_from_pb
from flyte.wire.services import method
from flyte.wire.taskspec import task_spec

log = logging.getLogger("flyte")

T = TypeVar("T")

ENQUEUE_SECONDS = 5.0
CLOSE_SECONDS = 5.0
_MOST_FAILURES = int(os.environ.get("_F_MAX_RETRIES", "100"))
_LONGEST_WAIT_SECONDS = float(os.environ.get("_F_MAX_BFF_ON_ERR", "10"))
_MOST_CHILDREN = int(os.environ.get("_F_P_CNC", "1000"))
_MOST_SPECS = 1000


@dataclass(frozen=True)
class _Child:
    """A child ready to be enqueued."""

    action: ActionRef
    inputs: bytes
    spec: task_definition_pb2.TaskSpec
    ref: TaskRef
    cache_key: str
    group: str
    queue: str


class RemoteController:
    """See `authoring.controller.Controller`.

    Args:
        transport: The backend; must not retry by itself.
        action: The running task.
        run_base_dir: The run's folder, ending with a slash.
        placement: Version, bundle and images that children are serialised with.
        images: Names of images → addresses.
    """

    def __init__(
        self,
        transport: Transport,
        action: ActionRef,
        run_base_dir: str,
        placement: Placement,
        images: dict[str, str] | None = None,
    ) -> None:
        self._transport = transport
        self._action = action
        self._base = run_base_dir if run_base_dir.endswith("/") else f"{run_base_dir}/"
        self._placement = placement
        self._images = images or {}
        self._bridge = Bridge("flyte-controller")
        self._watch: ChildWatch | None = None
        self._lets_go = False
        self._specs: dict[int, tuple[TaskTemplate[..., Any], task_definition_pb2.TaskSpec]] = {}

    @cached_property
    def _places(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(_MOST_CHILDREN)

    # The port.

    def call(self, task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        context = _context()
        bound = bound_arguments(task, args, kwargs)
        child = self._child(task, bound, context)
        future = asyncio.run_coroutine_threadsafe(self._run_child(child), self._bridge.loop)
        try:
            outputs = future.result()
        except BaseException:
            future.cancel()
            raise
        return self._value(task.interface, outputs, context, task.name)

    async def call_async(self, task: TaskTemplate[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        context = _context()
        bound = bound_arguments(task, args, kwargs)
        if any(engine.may_block(declared) for declared, _ in task.interface.inputs.values()):
            sequence_free = await asyncio.to_thread(self._inputs, task.interface, bound, context)
            child = self._child(task, bound, context, sequence_free)
        else:
            child = self._child(task, bound, context)
        outputs = await self._await_child(child)
        if any(engine.may_block(declared) for declared in task.interface.outputs.values()):
            return await asyncio.to_thread(self._value, task.interface, outputs, context, task.name)
        return self._value(task.interface, outputs, context, task.name)

    async def call_deployed(self, task: Any, kwargs: Mapping[str, Any]) -> Any:
        context = _context()
        interface: NativeInterface = task.interface
        bound = bound_arguments(task, (), kwargs)
        spec: task_definition_pb2.TaskSpec = task.spec
        inputs = await asyncio.to_thread(self._deployed_inputs, task, bound, context)
        child = self._named(spec, task.ref, inputs, context, task.queue or "")
        outputs = await self._await_child(child)
        return await asyncio.to_thread(self._value, interface, outputs, context, task.name)

    def _deployed_inputs(self, task: Any, bound: Mapping[str, Any], context: TaskContext) -> common_pb2.Inputs:
        given = NativeInterface({n: task.interface.inputs[n] for n in task.interface.inputs if n in bound}, {})
        inputs = inputs_to_pb(given, bound, Conversion(context.raw_data_path), context.custom_context)
        named = {literal.name for literal in inputs.literals}
        for parameter in task.spec.default_inputs:
            if parameter.name not in named:
                inputs.literals.append(common_pb2.NamedLiteral(name=parameter.name, value=parameter.parameter.default))
        return inputs

    def let_go(self) -> None:
        """From now on children are left alone when nobody awaits them any more.

        The attempt is being ended from outside: either the backend ends its children itself, or the next attempt
        finds them again.
        """
        self._lets_go = True

    def close(self) -> None:
        """Stop watching. An open stream at the end of the interpreter would bring it down."""
        watch = self._watch
        if watch is not None:
            closing = asyncio.run_coroutine_threadsafe(watch.close(), self._bridge.loop)
            with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
                closing.result(CLOSE_SECONDS)

    # Making a child.

    def _inputs(self, interface: NativeInterface, bound: Mapping[str, Any], context: TaskContext) -> common_pb2.Inputs:
        return inputs_to_pb(interface, bound, Conversion(context.raw_data_path), context.custom_context)

    def _child(
        self,
        task: TaskTemplate[..., Any],
        bound: Mapping[str, Any],
        context: TaskContext,
        inputs: common_pb2.Inputs | None = None,
    ) -> _Child:
        spec = self._spec(task)
        if inputs is None:
            inputs = self._inputs(task.interface, bound, context)
        refuse_oversized(inputs, task.max_inline_io_bytes, task.name, "inputs")
        ref = TaskRef(self._action.run.scope, task.name, self._placement.version)
        return self._named(spec, ref, inputs, context, task.queue or "")

    def _named(
        self,
        spec: task_definition_pb2.TaskSpec,
        ref: TaskRef,
        inputs: common_pb2.Inputs,
        context: TaskContext,
        queue: str,
    ) -> _Child:
        template = spec.task_template
        ignored = tuple(template.metadata.cache_ignore_input_vars)
        hashed = inputs_hash(inputs.literals, ignored)
        identity = task_identity(template)
        group = context.group_data.name if context.group_data is not None else None
        key = f"{identity}:{hashed}" + (f":{group}" if group else "")
        sequence = context._call_counter.next(key)
        name = child_name(context.action.name, hashed, identity, sequence, group)
        cached = ""
        if template.metadata.discoverable:
            cached = cache_key(
                template.id.name, inputs, template.interface, template.metadata.discovery_version, ignored
            )
        return _Child(
            action=ActionRef(self._action.run, name),
            inputs=inputs.SerializeToString(deterministic=True),
            spec=spec,
            ref=ref,
            cache_key=cached,
            group=group or "",
            queue=queue,
        )

    def _spec(self, task: TaskTemplate[..., Any]) -> task_definition_pb2.TaskSpec:
        known = self._specs.get(id(task))
        if known is not None:
            return known[1]
        image = self._image(task)
        spec = task_spec(definition_of(task, self._placement, image), self._placement)
        self._specs[id(task)] = (task, spec)  # the task is kept, so that its id stays its own
        while len(self._specs) > _MOST_SPECS:
            del self._specs[next(iter(self._specs))]  # overrides make a task of its own for every call
        return spec

    def _image(self, task: TaskTemplate[..., Any]) -> str:
        environment = task.parent_env_name or ""
        if environment in self._images:
            return self._images[environment]
        if is_default_image(task.image):
            # A child with the default image runs in the interpreter that the run was submitted from.
            for uri in self._images.values():
                if uri.startswith("env://local-"):
                    return uri
        return image_uri(task, self._images)

    # Running a child.

    async def _await_child(self, child: _Child) -> bytes:
        future = asyncio.run_coroutine_threadsafe(self._run_child(child), self._bridge.loop)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.cancel()
            raise

    async def _run_child(self, child: _Child) -> bytes:
        """Start a child, or find it started, and give back the bytes of its outputs.pb.

        Raises:
            BaseRuntimeError: What its failure is in its parent.
        """
        async with self._places:
            watch = self._watch = self._watch or ChildWatch(self._transport, self._action)
            await watch.caught_up()
            try:
                if watch.known(child.action.name) is None:
                    await self._start(child)
                update = await watch.ended(child.action.name)
            except asyncio.CancelledError:
                if not self._lets_go:
                    await self._abort(child.action)
                raise
        return await self._outputs(child, update)

    async def _start(self, child: _Child) -> None:
        uri = f"{self._base}{child.action.name}/inputs.pb"
        try:
            await _in_thread_unless_local(uri, store_for(uri).write, uri, child.inputs)
        except StorageError as e:
            raise RuntimeSystemError("UploadFailed", f"The inputs of {child.ref.name} cannot be kept: {e}") from e
        # A request that is under way is seen to its end: what is aborted before it arrives would be started after.
        enqueueing = asyncio.ensure_future(self._enqueue(child, uri))
        try:
            await asyncio.shield(enqueueing)
        except asyncio.CancelledError:
            await asyncio.wait({enqueueing}, timeout=ENQUEUE_SECONDS)
            enqueueing.cancel()
            raise

    async def _enqueue(self, child: _Child, input_uri: str) -> None:
        row = method("ActionsService", "Enqueue")
        request = row.request()
        action = request.action
        action.action_id.CopyFrom(action_to_pb(child.action))
        action.parent_action_name = self._action.name
        action.input_uri = input_uri
        action.run_output_base = self._base
        action.group = child.group
        action.task.id.CopyFrom(task_to_pb(child.ref))
        action.task.spec.CopyFrom(child.spec)
        if child.cache_key:
            action.task.cache_key.value = child.cache_key
        action.task.queue = child.queue
        failures = 0
        while True:
            try:
                await self._transport.unary("ActionsService", "Enqueue", request, timeout=ENQUEUE_SECONDS)
                return
            except RpcError as e:
                if e.code == "already_exists":
                    return
                if e.code == "aborted":
                    raise ActionAbortedError(f"{child.ref.name} cannot be started: {e.message}") from e
                if e.code in ("invalid_argument", "not_found", "permission_denied", "unimplemented"):
                    raise RuntimeSystemError(e.code, f"{child.ref.name} cannot be started: {e.message}") from e
                if e.code != "resource_exhausted":
                    failures += 1
                if failures > _MOST_FAILURES:
                    raise RuntimeSystemError(e.code, f"{child.ref.name} cannot be started: {e.message}") from e
            except Exception as e:
                # The connection broke in the middle of an answer: whether it arrived is not known, and asking again
                # for the same child changes nothing.
                failures += 1
                if failures > _MOST_FAILURES:
                    raise RuntimeSystemError("unavailable", f"{child.ref.name} cannot be started: {e}") from e
            await asyncio.sleep(min(0.1 * 2 ** min(failures, 10), _LONGEST_WAIT_SECONDS))

    async def _outputs(self, child: _Child, update: Any) -> bytes:
        phase = phase_from_pb(update.phase)
        if phase.is_success:
            uri = join(update.output_uri, "outputs.pb")
            if not child.spec.task_template.interface.outputs.variables:
                return b""
            try:
                return await _in_thread_unless_local(uri, store_for(uri).read, uri)
            except StorageError as e:
                raise RuntimeSystemError("OutputsNotFound", f"The outputs of {child.ref.name}: {e}") from e
        raise _failure(child.ref.name, phase, update)

    async def _abort(self, action: ActionRef) -> None:
        row = method("ActionsService", "Abort")
        request = row.request(action_id=action_to_pb(action), reason="its parent no longer awaits it")
        try:
            await self._transport.unary("ActionsService", "Abort", request, timeout=ENQUEUE_SECONDS)
        except RpcError as e:
            if e.code not in ("not_found", "failed_precondition"):
                log.warning("the child %s could not be aborted: %s", action.name, e.message)

    def _value(self, interface: NativeInterface, outputs: bytes, context: TaskContext, name: str) -> Any:
        message = common_pb2.Outputs.FromString(outputs)
        return as_return_value(interface, outputs_from_pb(interface, message, Conversion(context.raw_data_path), name))


def _failure(name: str, phase: ActionPhase, update: Any) -> BaseRuntimeError:
    if phase is ActionPhase.ABORTED:
        return ActionAbortedError(f"{name} was aborted.")
    if phase is ActionPhase.TIMED_OUT:
        return timed_out(update.error.code, update.error.message or f"{name} timed out.")
    if update.HasField("error"):
        return error_from_pb(update.error)
    return from_code("Unknown", error_kind(0), f"{name} failed, and the backend does not say why.")


def _context() -> TaskContext:
    state: Running | None = running()
    assert state is not None
    return state.context


async def _in_thread_unless_local(uri: str, function: Callable[..., T], *args: Any) -> T:
    """Small local files are quicker than a thread."""
    if pathlib.PurePath(uri).is_absolute() or uri.startswith("file:"):
        return function(*args)
    return await asyncio.to_thread(function, *args)
