"""Everything about one action: attempts, phases with times, inputs, outputs, error."""

from __future__ import annotations

import asyncio
from collections import UserDict
from collections.abc import AsyncGenerator
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
from flyte.remote.facts import ActionFacts, moment
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


@dataclass
class ActionDetails(ActionFacts):
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
    def is_running(self) -> bool:
        """True while its process runs."""
        return self.phase is ActionPhase.RUNNING

    @property
    def metadata(self) -> Any:
        """What the action is, as the wire has it."""
        return self.pb2.metadata

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
        end = moment(status.end_time) if status.HasField("end_time") else datetime.now(UTC)
        return end - moment(status.start_time)

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
                moment(step.start_time),
                moment(step.end_time) if step.HasField("end_time") else None,
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
            raise errors.from_code(info.code or "Unknown", _error_kind(info.kind), info.message)
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


def _error_kind(kind: int) -> Any:
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


async def call_runs(name: str, **fields: Any) -> Any:
    """Call a method of RunService."""
    row = method("RunService", name)
    return await require_transport().unary("RunService", name, row.request(**fields))


async def fetch_details(action_id: Any, interface: NativeInterface | None = None) -> ActionDetails:
    """Ask for the details of an action."""
    answer = await call_runs("GetActionDetails", action_id=action_id)
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
    """An action's details now and after every change, until it is over (or runs). Reconnects by itself.

    Raises:
        InvalidValue: `wait_for` is something else than `"terminal"` or `"running"`.
        RpcError: The backend refused the request, or could not be reached any more.
    """
    if wait_for not in ("terminal", "running"):
        raise InvalidValue(f"wait_for must be 'terminal' or 'running', not {wait_for!r}.")
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
