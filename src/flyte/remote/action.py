"""Actions of a run, and everything about one."""

from __future__ import annotations

import asyncio
from collections import UserDict
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from flyte.client.session import require_session, require_transport
from flyte.client.uploads import select_cluster
from flyte.errors import InvalidValue, RpcError, RuntimeUserError
from flyte.model.ids import ActionRef, RunId
from flyte.model.interface import NativeInterface
from flyte.model.outcome import ActionOutputs
from flyte.model.phase import ActionPhase
from flyte.remote import logs
from flyte.remote.listing import SortBy, TimeFilter, equal, list_request, pages, phase_filter, time_filter
from flyte.syncify import syncify
from flyte.types.transformer import Conversion
from flyte.wire.failures import error_kind
from flyte.wire.ids import action_from_pb, action_to_pb
from flyte.wire.inputs import guess_interface, inputs_from_pb, outputs_from_pb
from flyte.wire.phases import phase_from_pb
from flyte.wire.services import method

WaitFor = Literal["terminal", "running"]
_MOST_FAILURES = 5


class ActionInputs(UserDict[str, Any]):
    """Inputs by name.

    Attributes:
        pb2: The message that they were read from.
    """

    def __init__(self, pb2: Any, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.pb2 = pb2


@dataclass(frozen=True)
class PhaseTransitionInfo:
    """One phase of an attempt, with its times."""

    phase: ActionPhase
    start_time: datetime
    end_time: datetime | None

    @property
    def duration(self) -> timedelta:
        """How long it lasted, or lasts."""
        return (self.end_time or datetime.now(UTC)) - self.start_time


def _moment(stamp: Any) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)  # type: ignore[no-any-return]


async def _call(name: str, **fields: Any) -> Any:
    row = method("RunService", name)
    return await require_transport().unary("RunService", name, row.request(**fields))


@dataclass
class ActionDetails:
    """Everything about an action: attempts, phases with times, inputs, outputs, error."""

    pb2: Any
    _interface: NativeInterface | None = field(default=None, repr=False)
    _data: Any = field(default=None, repr=False)

    @staticmethod
    @syncify
    async def get_details(action_id: Any) -> ActionDetails:
        """Ask for the details of an action."""
        return await fetch_details(action_id)

    @staticmethod
    @syncify
    async def get(uri: str | None = None, /, run_name: str | None = None, name: str | None = None) -> ActionDetails:
        """Ask for the details of an action by `RUN/ACTION`, or by its names."""
        return await fetch_details(action_to_pb(action_ref(uri, run_name, name)))

    @property
    def phase(self) -> ActionPhase:
        """Where the action is."""
        return phase_from_pb(self.pb2.status.phase)

    @property
    def raw_phase(self) -> Any:
        """The phase's number on the wire."""
        return self.pb2.status.phase

    @property
    def is_running(self) -> bool:
        """True while its process runs."""
        return self.phase is ActionPhase.RUNNING

    @property
    def name(self) -> str:
        """The action's name."""
        return str(self.pb2.id.name)

    @property
    def run_name(self) -> str:
        """The run's name."""
        return str(self.pb2.id.run.name)

    @property
    def task_name(self) -> str | None:
        """The task, None for an action that is none."""
        return self.pb2.metadata.task.id.name or None

    @property
    def parent_name(self) -> str | None:
        """The parent's name, None for the root."""
        return self.pb2.metadata.parent or None

    @property
    def action_id(self) -> Any:
        """The identifier on the wire."""
        return self.pb2.id

    @property
    def metadata(self) -> Any:
        """What the action is, as the wire has it."""
        return self.pb2.metadata

    @property
    def relation(self) -> Any:
        """The run that this one comes from, as the wire has it; None without one."""
        metadata = self.pb2.metadata
        return metadata.relation if metadata.HasField("relation") else None

    @property
    def status(self) -> Any:
        """Where the action is, as the wire has it."""
        return self.pb2.status

    @property
    def error_info(self) -> Any:
        """Why it failed; None unless it did."""
        return self.pb2.error_info if self.pb2.HasField("error_info") else None

    @property
    def error_message(self) -> str:
        """Why it failed, in words; empty unless it did."""
        return str(self.pb2.error_info.message)

    @property
    def abort_info(self) -> Any:
        """Why it was aborted; None unless it was."""
        return self.pb2.abort_info if self.pb2.HasField("abort_info") else None

    @property
    def runtime(self) -> timedelta:
        """From the creation of the action to its end, or until now."""
        status = self.pb2.status
        end = _moment(status.end_time) if status.HasField("end_time") else datetime.now(UTC)
        return end - _moment(status.start_time)

    @property
    def attempts(self) -> int:
        """How many attempts there were."""
        return int(self.pb2.status.attempts)

    def _attempt(self, number: int | None) -> Any:
        wanted = number or self.attempts
        for attempt in self.pb2.attempts:
            if attempt.attempt == wanted:
                return attempt
        return None

    def get_phase_transitions(self, attempt: int | None = None) -> list[PhaseTransitionInfo]:
        """The phases of an attempt, the newest by default."""
        found = self._attempt(attempt)
        return [
            PhaseTransitionInfo(
                phase_from_pb(step.phase),
                _moment(step.start_time),
                _moment(step.end_time) if step.HasField("end_time") else None,
            )
            for step in (found.phase_transitions if found is not None else ())
        ]

    @property
    def phase_durations(self) -> dict[ActionPhase, timedelta]:
        """How long the newest attempt was in each phase."""
        return {step.phase: step.duration for step in self.get_phase_transitions()}

    @property
    def queued_time(self) -> timedelta | None:
        """How long the newest attempt was queued."""
        return self.phase_durations.get(ActionPhase.QUEUED)

    @property
    def waiting_for_resources_time(self) -> timedelta | None:
        """How long the newest attempt waited for resources."""
        return self.phase_durations.get(ActionPhase.WAITING_FOR_RESOURCES)

    @property
    def initializing_time(self) -> timedelta | None:
        """How long the newest attempt was being started."""
        return self.phase_durations.get(ActionPhase.INITIALIZING)

    @property
    def running_time(self) -> timedelta | None:
        """How long the newest attempt ran."""
        return self.phase_durations.get(ActionPhase.RUNNING)

    def logs_available(self, attempt: int | None = None) -> bool:
        """True when an attempt has logs."""
        found = self._attempt(attempt)
        return found is not None and bool(found.logs_available)

    def done(self) -> bool:
        """True when the action is over."""
        return self.phase.is_terminal

    def _native(self) -> NativeInterface:
        if self._interface is None:
            spec = self.pb2.task
            self._interface = guess_interface(spec.task_template.interface, spec.default_inputs)
        return self._interface

    async def _action_data(self) -> Any:
        if self._data is None or not self.done():
            self._data = await fetch_data(self.pb2.id)
        return self._data

    async def inputs(self) -> ActionInputs:
        """The inputs by name."""
        message = (await self._action_data()).inputs
        interface = self._native()
        present = {literal.name for literal in message.literals}
        known = NativeInterface({k: v for k, v in interface.inputs.items() if k in present}, {})
        values = await asyncio.to_thread(inputs_from_pb, known, message, Conversion())
        return ActionInputs(message, values)

    async def outputs(self) -> ActionOutputs:
        """The outputs; `(None,)` for a task without any.

        Raises:
            RuntimeUserError: The action is not over, or has no outputs because it failed or was aborted.
        """
        self.raise_for_status()
        message = (await self._action_data()).outputs
        interface = self._native()
        if not interface.outputs:
            return ActionOutputs(message, (None,), ["o0"])
        values = await asyncio.to_thread(outputs_from_pb, interface, message, Conversion())
        return ActionOutputs(message, values, [f"o{i}" for i in range(len(values))])

    def raise_for_status(self) -> None:
        """Raise what the action failed of; nothing for a success.

        Raises:
            BaseRuntimeError: Its error, by its code.
            RuntimeUserError: It is not over (code `RunNotDoneError`).
        """
        from flyte import errors

        phase = self.phase
        if phase.is_success:
            return
        if phase is ActionPhase.ABORTED:
            raise errors.ActionAbortedError(f"{self.run_name} was aborted: {self.pb2.abort_info.reason}")
        info = self.pb2.error_info
        if phase is ActionPhase.TIMED_OUT:
            raise errors.timed_out(info.code, info.message)
        if phase is ActionPhase.FAILED:
            raise errors.from_code(info.code or "Unknown", error_kind_of(info.kind), info.message)
        raise RuntimeUserError("RunNotDoneError", f"{self.run_name} is {phase.value} and has no outputs yet.")

    async def output_literals(self) -> dict[str, Any]:
        """The outputs as the wire has them."""
        return {literal.name: literal.value for literal in (await self._action_data()).outputs.literals}

    async def input_literals(self) -> dict[str, Any]:
        """The inputs as the wire has them."""
        return {literal.name: literal.value for literal in (await self._action_data()).inputs.literals}

    async def typed_outputs(self, types: dict[str, Any], deserializers: dict[Any, Any] | None = None) -> dict[str, Any]:
        """The outputs in the types that you name."""
        return await _typed(await self.output_literals(), types, deserializers)

    async def typed_inputs(self, types: dict[str, Any], deserializers: dict[Any, Any] | None = None) -> dict[str, Any]:
        """The inputs in the types that you name."""
        return await _typed(await self.input_literals(), types, deserializers)

    def __repr__(self) -> str:
        return f"ActionDetails({self.run_name}/{self.name}, {self.phase.value}, task={self.task_name})"


def error_kind_of(kind: int) -> Any:
    """Whose fault an error was, from the console's enumeration (1 user, 2 system)."""
    return {1: "user", 2: "system"}.get(kind, error_kind(0))


async def _typed(
    literals: dict[str, Any], types: dict[str, Any], deserializers: dict[Any, Any] | None
) -> dict[str, Any]:
    from flyte.types.engine import engine

    values = {}
    for name, declared in types.items():
        if name not in literals:
            raise InvalidValue(f"There is no {name!r}; there are {', '.join(literals) or 'none'}.")
        value = await asyncio.to_thread(engine.decode, literals[name], declared, Conversion())
        convert = (deserializers or {}).get(declared)
        values[name] = convert(value) if convert is not None else value
    return values


def action_ref(uri: str | None, run_name: str | None, name: str | None) -> ActionRef:
    """An action by `RUN/ACTION` or by its names, in the configured project and domain."""
    if uri is not None:
        run_name, _, name = uri.partition("/")
    if not run_name:
        raise InvalidValue("Name a run, or an action as RUN/ACTION.")
    return ActionRef(RunId(require_session().scope(), run_name), name or "a0")


async def fetch_details(action_id: Any, interface: NativeInterface | None = None) -> ActionDetails:
    """Ask for the details of an action."""
    answer = await _call("GetActionDetails", action_id=action_id)
    return ActionDetails(answer.details, interface)


async def fetch_data(action_id: Any) -> Any:
    """Ask for the inputs and outputs of an action."""
    transport = require_transport()
    ref = action_from_pb(action_id)
    await select_cluster(transport, ref.run.scope, "OPERATION_GET_ACTION_DATA")
    request = method("DataProxyService", "GetActionData").request(action_id=action_id)
    return await transport.unary("DataProxyService", "GetActionData", request)


async def watch_details(
    action_id: Any, interface: NativeInterface | None = None, wait_for: WaitFor = "terminal"
) -> AsyncGenerator[ActionDetails, None]:
    """An action's details now and after every change, until it is over (or runs). Reconnects by itself."""
    failures = 0
    while True:
        request = method("RunService", "WatchActionDetails").request(action_id=action_id)
        try:
            async for message in require_transport().stream("RunService", "WatchActionDetails", request):
                failures = 0
                details = ActionDetails(message.details, interface)
                yield details
                if details.done() or (wait_for == "running" and details.is_running):
                    return
        except RpcError as e:
            failures += 1
            if e.code not in ("unavailable", "deadline_exceeded", "canceled") or failures > _MOST_FAILURES:
                raise
        await asyncio.sleep(0.2 * 2**failures)


@dataclass
class Action:
    """One action of a run, in short."""

    pb2: Any
    _details: ActionDetails | None = field(default=None, repr=False)

    @staticmethod
    @syncify
    async def listall(
        for_run_name: str,
        in_phase: tuple[ActionPhase | str, ...] | None = None,
        parent_name: str | None = None,
        sort_by: SortBy | None = None,
        created_at: TimeFilter | None = None,
        updated_at: TimeFilter | None = None,
    ) -> AsyncIterator[Action]:
        """The actions of a run, oldest first unless sorted."""
        run = RunId(require_session().scope(), for_run_name)
        filters = [
            *phase_filter(in_phase),
            *equal("parent_name", parent_name),
            *time_filter("created_at", created_at),
            *time_filter("updated_at", updated_at),
        ]
        request = list_request(filters, sort_by, ("created_at", "asc"), 1_000_000)
        run_pb = action_to_pb(ActionRef(run, "a0")).run

        async def fetch(page: Any) -> Any:
            return await _call("ListActions", request=page, run_id=run_pb)

        async for row in pages(fetch, request, lambda answer: answer.actions, 1_000_000):
            yield Action(row)

    @staticmethod
    @syncify
    async def get(uri: str | None = None, /, run_name: str | None = None, name: str | None = None) -> Action:
        """An action by `RUN/ACTION`, or by its names."""
        details = await fetch_details(action_to_pb(action_ref(uri, run_name, name)))
        from flyteidl2.workflow import run_definition_pb2

        pb2 = run_definition_pb2.Action(id=details.pb2.id, metadata=details.pb2.metadata, status=details.pb2.status)
        return Action(pb2, details)

    @property
    def phase(self) -> ActionPhase:
        """Where the action is."""
        return phase_from_pb(self.pb2.status.phase)

    @property
    def raw_phase(self) -> Any:
        """The phase's number on the wire."""
        return self.pb2.status.phase

    @property
    def name(self) -> str:
        """The action's name."""
        return str(self.pb2.id.name)

    @property
    def run_name(self) -> str:
        """The run's name."""
        return str(self.pb2.id.run.name)

    @property
    def task_name(self) -> str | None:
        """The task, None for an action that is none."""
        return self.pb2.metadata.task.id.name or None

    @property
    def parent_name(self) -> str | None:
        """The parent's name, None for the root."""
        return self.pb2.metadata.parent or None

    @property
    def group(self) -> str | None:
        """The group it was started in."""
        return self.pb2.metadata.group or None

    @property
    def relation(self) -> Any:
        """The run that this one comes from, None without one."""
        metadata = self.pb2.metadata
        return metadata.relation if metadata.HasField("relation") else None

    @property
    def action_id(self) -> Any:
        """The identifier on the wire."""
        return self.pb2.id

    @property
    def start_time(self) -> datetime:
        """When it was created."""
        return _moment(self.pb2.status.start_time)

    @syncify
    async def abort(self, reason: str = "Manually aborted from the SDK.") -> None:
        """Abort it with everything below it; nothing happens to one that is over or gone."""
        await abort_action(self.pb2.id, reason)

    @syncify
    async def show_logs(
        self,
        attempt: int | None = None,
        max_lines: int = 30,
        show_ts: bool = False,
        raw: bool = False,
        filter_system: bool = False,
    ) -> None:
        """Print its log, and on until it is over."""
        await logs.show(self.pb2.id, attempt, max_lines, show_ts=show_ts, filter_system=filter_system)

    @syncify
    async def get_logs(
        self, attempt: int | None = None, filter_system: bool = False, show_ts: bool = False
    ) -> AsyncIterator[str]:
        """The lines of its log, and on until it is over."""
        async for line in logs.lines(self.pb2.id, attempt, filter_system=filter_system, show_ts=show_ts):
            yield line

    async def details(self) -> ActionDetails:
        """Everything about it; asked for again until it is over."""
        if self._details is None or not self._details.done():
            self._details = await fetch_details(self.pb2.id)
        return self._details

    async def watch(
        self, cache_data_on_done: bool = False, wait_for: WaitFor = "terminal"
    ) -> AsyncGenerator[ActionDetails, None]:
        """Its details now and after every change."""
        async for details in watch_details(self.pb2.id, wait_for=wait_for):
            self._details = details
            yield details

    async def wait(self, quiet: bool = False, wait_for: WaitFor = "terminal") -> None:
        """Wait until it is over, or runs."""
        async for _ in self.watch(wait_for=wait_for):
            pass

    def done(self) -> bool:
        """True when it is over, as far as this handle knows."""
        return (self._details.phase if self._details is not None else self.phase).is_terminal

    async def sync(self) -> Action:
        """Ask again."""
        details = await fetch_details(self.pb2.id)
        self._details = details
        self.pb2.status.CopyFrom(details.pb2.status)
        return self

    def __repr__(self) -> str:
        return f"Action({self.run_name}/{self.name}, {self.phase.value}, task={self.task_name})"


async def abort_action(action_id: Any, reason: str) -> None:
    """Abort an action; one that is gone counts as aborted."""
    try:
        await _call("AbortAction", action_id=action_id, reason=reason)
    except RpcError as e:
        if e.code != "not_found":
            raise
