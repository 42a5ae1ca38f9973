"""A run on a backend."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from flyte.client.session import require_session, require_transport
from flyte.errors import FlyteError, InvalidValue, RpcError
from flyte.model.ids import ROOT_ACTION, ActionRef, RunId, Scope
from flyte.model.interface import NativeInterface
from flyte.model.outcome import ActionOutputs, as_text
from flyte.model.phase import ActionPhase
from flyte.remote import logs
from flyte.remote.action import Action, actions_of
from flyte.remote.details import ActionDetails, ActionInputs, WaitFor, fetch_details, watch_details
from flyte.remote.listing import (
    SortBy,
    TimeFilter,
    equal,
    label_filters,
    list_request,
    pages,
    phase_filter,
    time_filter,
)
from flyte.syncify import bridge, on_running_loop, syncify
from flyte.wire.ids import action_to_pb, project_to_pb, run_to_pb
from flyte.wire.phases import phase_from_pb
from flyte.wire.services import method


@dataclass
class RunDetails:
    """A run's specification and its root action."""

    pb2: Any
    _interface: NativeInterface | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.action_details = ActionDetails(self.pb2.action, self._interface)

    @staticmethod
    @syncify
    async def get_details(run_id: Any) -> RunDetails:
        """Ask for the details of a run."""
        return await fetch_run_details(run_id)

    @staticmethod
    @syncify
    async def get(name: str | None = None) -> RunDetails:
        """Ask for the details of a run by its name."""
        if not name:
            raise InvalidValue("Name a run.")
        return await fetch_run_details(run_to_pb(RunId(require_session().scope(), name)))

    @property
    def name(self) -> str:
        """The run's name."""
        return self.action_details.run_name

    @property
    def task_name(self) -> str | None:
        """The root's task."""
        return self.action_details.task_name

    @property
    def action_id(self) -> Any:
        """The root's identifier on the wire."""
        return self.action_details.action_id

    def done(self) -> bool:
        """True when the run is over."""
        return self.action_details.done()

    async def inputs(self) -> ActionInputs:
        """The root's inputs."""
        return await self.action_details.inputs()

    async def outputs(self) -> ActionOutputs:
        """The root's outputs."""
        return await self.action_details.outputs()

    async def output_literals(self) -> dict[str, Any]:
        """The root's outputs as the wire has them."""
        return await self.action_details.output_literals()

    async def input_literals(self) -> dict[str, Any]:
        """The root's inputs as the wire has them."""
        return await self.action_details.input_literals()


async def fetch_run_details(run_id: Any, interface: NativeInterface | None = None) -> RunDetails:
    """Ask for the details of a run."""
    request = method("RunService", "GetRunDetails").request(run_id=run_id)
    answer = await require_transport().unary("RunService", "GetRunDetails", request)
    return RunDetails(answer.details, interface)


class Run:
    """A run: `name`, `url`, `phase`, `status`, `wait()`, `outputs()`, `abort()` and more.

    `str(run)` is the value of a finished run with one output; `repr(run)` never waits.

    Args:
        pb2: The run as the wire has it.
        interface: Inputs and outputs in Python's types, where they are known.
    """

    def __init__(
        self, pb2: Any, _details: RunDetails | None = None, *, interface: NativeInterface | None = None
    ) -> None:
        self.pb2 = pb2
        self._interface = interface
        self._details = _details
        self._newest: ActionDetails | None = _details.action_details if _details is not None else None

    # Finding runs.

    @staticmethod
    @syncify
    async def get(name: str) -> Run:
        """A run by its name, in the configured project and domain.

        Raises:
            RpcError: There is none (code `not_found`).
        """
        details = await fetch_run_details(run_to_pb(RunId(require_session().scope(), name)))
        from flyteidl2.workflow import run_definition_pb2

        action = details.pb2.action
        pb2 = run_definition_pb2.Run(
            action=run_definition_pb2.Action(id=action.id, metadata=action.metadata, status=action.status),
            labels=dict(details.pb2.run_spec.labels.values),
        )
        return Run(pb2, details)

    @staticmethod
    @syncify
    async def listall(
        in_phase: tuple[ActionPhase | str, ...] | None = None,
        task_name: str | None = None,
        task_version: str | None = None,
        created_by_subject: str | None = None,
        sort_by: SortBy | None = None,
        limit: int = 100,
        project: str | None = None,
        domain: str | None = None,
        created_at: TimeFilter | None = None,
        updated_at: TimeFilter | None = None,
        with_labels: dict[str, str] | None = None,
        with_label_keys: list[str] | None = None,
        paused_actions_only: bool = False,
    ) -> AsyncIterator[Run]:
        """Runs of a project and domain, newest first unless sorted."""
        scope = require_session().scope(project, domain)
        filters = [
            *phase_filter(in_phase),
            *equal("task_name", task_name),
            *equal("task_version", task_version),
            *equal("created_by_subject", created_by_subject),
            *time_filter("created_at", created_at),
            *time_filter("updated_at", updated_at),
            *label_filters(with_labels, with_label_keys),
        ]
        request = list_request(filters, sort_by, ("created_at", "desc"), limit)

        async def fetch(page: Any) -> Any:
            call = method("RunService", "ListRuns").request(
                request=page, project_id=project_to_pb(scope), paused_actions_only=paused_actions_only
            )
            return await require_transport().unary("RunService", "ListRuns", call)

        async for row in pages(fetch, request, lambda answer: answer.runs, limit):
            yield Run(row)

    # What it is.

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.pb2.action.id.run.name)

    @property
    def scope(self) -> Scope:
        """Its project and domain."""
        run = self.pb2.action.id.run
        return Scope(project=run.project, domain=run.domain, org=run.org)

    @property
    def url(self) -> str:
        """Its page in the console."""
        return require_session().console_url(self.scope, "runs", self.name)

    @property
    def action(self) -> Action:
        """Its root action."""
        return Action(self.pb2.action, self._newest)

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.pb2.labels)

    @property
    def _action_id(self) -> Any:
        return self.pb2.action.id

    @property
    def phase(self) -> ActionPhase:
        """Where it is, as far as this handle knows; `sync()` asks again."""
        return self._newest.phase if self._newest is not None else phase_from_pb(self.pb2.action.status.phase)

    @property
    def raw_phase(self) -> Any:
        """The phase's number on the wire."""
        return self._newest.raw_phase if self._newest is not None else self.pb2.action.status.phase

    @property
    def status(self) -> str:
        """The phase in upper case, `"SUCCEEDED"` say.

        Asks the backend unless the run is known to be over. On a running event loop, which must not be blocked, it is
        what this handle knows: `await run.sync.aio()` asks.
        """
        if not self.done() and not on_running_loop():
            bridge.run(self._sync())
        return self.phase.value.upper()

    def done(self) -> bool:
        """True when it is over, as far as this handle knows."""
        return self.phase.is_terminal

    async def _sync(self) -> Run:
        self._newest = await fetch_details(self._action_id, self._interface)
        return self

    @syncify
    async def sync(self) -> Run:
        """Ask the backend where it is."""
        return await self._sync()

    # Waiting.

    @syncify
    async def wait(self, quiet: bool = False, wait_for: Literal["terminal", "running"] = "terminal") -> None:
        """Wait until it is over (or runs), whatever the outcome.

        On a terminal its progress and log lines are shown, unless `quiet`.
        """
        await self._wait(quiet=quiet, wait_for=wait_for)

    async def _wait(self, *, quiet: bool, wait_for: WaitFor = "terminal") -> None:
        if quiet or not sys.stderr.isatty():
            async for _ in self.watch(wait_for=wait_for):
                pass
            return
        from flyte.remote.progress import show_progress

        await show_progress(self, wait_for)

    async def watch(
        self, cache_data_on_done: bool = False, wait_for: WaitFor = "terminal"
    ) -> AsyncGenerator[ActionDetails, None]:
        """Its root's details now and after every change, until it is over (or runs)."""
        if self.done():
            if self._newest is None:
                await self._sync()
            assert self._newest is not None
            yield self._newest
            return
        async for details in watch_details(self._action_id, self._interface, wait_for):
            self._newest = details
            yield details

    @syncify
    async def details(self) -> RunDetails:
        """Its specification and its root action; asked for again until it is over."""
        return await self._run_details()

    async def _run_details(self) -> RunDetails:
        if self._details is None or not self._details.done():
            self._details = await fetch_run_details(self._action_id.run, self._interface)
            self._newest = self._details.action_details
        return self._details

    async def _ended(self) -> ActionDetails:
        if not self.done():
            await self._wait(quiet=True)
        if self._newest is None:
            await self._sync()
        assert self._newest is not None
        return self._newest

    # Values.

    @syncify
    async def outputs(self) -> ActionOutputs:
        """Its outputs; waits for a run that is not over.

        Raises:
            BaseRuntimeError: It failed, timed out or was aborted; the error says why.
        """
        return await (await self._ended()).outputs()

    @syncify
    async def inputs(self) -> ActionInputs:
        """Its inputs."""
        return await (await self._run_details()).inputs()

    @syncify
    async def output_literals(self) -> dict[str, Any]:
        """Its outputs as the wire has them."""
        return await (await self._ended()).output_literals()

    @syncify
    async def input_literals(self) -> dict[str, Any]:
        """Its inputs as the wire has them."""
        return await (await self._run_details()).input_literals()

    @syncify
    async def typed_outputs(self, types: dict[str, Any], deserializers: dict[Any, Any] | None = None) -> dict[str, Any]:
        """Its outputs in the types that you name."""
        return await (await self._ended()).typed_outputs(types, deserializers)

    @syncify
    async def typed_inputs(self, types: dict[str, Any], deserializers: dict[Any, Any] | None = None) -> dict[str, Any]:
        """Its inputs in the types that you name."""
        return await (await self._run_details()).action_details.typed_inputs(types, deserializers)

    @syncify
    async def raise_for_status(self) -> None:
        """Raise what it failed of; nothing for a success.

        Raises:
            BaseRuntimeError: Its error.
            RuntimeUserError: It is not over (code `RunNotDoneError`).
        """
        await self._sync()
        assert self._newest is not None
        self._newest.raise_for_status()

    @syncify
    async def first_failure(self) -> ActionDetails | None:
        """The action that failed first; None where none did."""
        failed = phase_filter((ActionPhase.FAILED, ActionPhase.TIMED_OUT))
        async for action in actions_of(self._action_id.run, failed, ("updated_at", "asc")):
            return await action.details()
        return None

    # Logs and control.

    @syncify
    async def show_logs(
        self,
        attempt: int | None = None,
        max_lines: int = 100,
        show_ts: bool = False,
        raw: bool = False,
        filter_system: bool = False,
    ) -> None:
        """Print its root's log, and on until it is over.

        Args:
            attempt: Counting from 1; the newest by default.
            max_lines: How many lines, the last ones, of a run that is over.
            show_ts: With the time of each line.
            raw: As the task wrote it; otherwise control characters are spelled out, as a terminal would obey them.
            filter_system: Without the lines of the system.
        """
        await logs.show(self._action_id, attempt, max_lines, show_ts=show_ts, raw=raw, filter_system=filter_system)

    @syncify
    async def get_logs(
        self, attempt: int | None = None, filter_system: bool = False, show_ts: bool = False
    ) -> AsyncIterator[str]:
        """The lines of its root's log, and on until it is over."""
        async for line in logs.lines(self._action_id, attempt, filter_system=filter_system, show_ts=show_ts):
            yield line

    @syncify
    async def abort(self, reason: str = "Manually aborted from the SDK api.") -> None:
        """Abort it with everything it started; nothing happens to one that is over or gone."""
        request = method("RunService", "AbortRun").request(run_id=self._action_id.run, reason=reason)
        try:
            await require_transport().unary("RunService", "AbortRun", request)
        except RpcError as e:
            if e.code != "not_found":
                raise

    # Text.

    def __str__(self) -> str:
        if not self.done():
            if on_running_loop():
                return f"{self.name} RUNNING"
            bridge.run(self._ended())
        return bridge.run(self._text())

    async def _text(self) -> str:
        details = await self._ended()
        try:
            outputs = await details.outputs()
        except FlyteError as e:
            return f"{self.name} {details.phase.value.upper()}: {e.code}: {e.message}"
        return as_text(outputs, len(details._native().outputs))

    def __repr__(self) -> str:
        scope = self.scope
        return (
            f"Run(name={self.name!r}, phase={self.phase.value!r}, project={scope.project!r}, domain={scope.domain!r})"
        )


class DryRun(Run):
    """What a run would send: nothing was sent.

    Attributes:
        task_spec: The specification.
        inputs_pb: The inputs.
        code_bundle: The bundle, None without one.
    """

    def __init__(self, task_spec: Any, inputs: Any, code_bundle: Any) -> None:
        from flyteidl2.workflow import run_definition_pb2

        ref = ActionRef(RunId(Scope("dry-run", "dry-run"), "dry-run"), ROOT_ACTION)
        super().__init__(run_definition_pb2.Run(action=run_definition_pb2.Action(id=action_to_pb(ref))))
        self.task_spec = task_spec
        self.inputs_pb = inputs
        self.code_bundle = code_bundle

    @property
    def url(self) -> str:
        """Nowhere."""
        return ""

    def done(self) -> bool:
        """There is nothing to wait for."""
        return True

    def __str__(self) -> str:
        return f"dry run of {self.task_spec.task_template.id.name}"

    __repr__ = __str__


__all__ = ["DryRun", "Run", "RunDetails"]
