"""Actions of a run, and what can be done with one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from flyteidl2.workflow import run_definition_pb2

from flyte.client.session import require_session
from flyte.errors import RpcError
from flyte.model.ids import RunId
from flyte.model.phase import ActionPhase
from flyte.remote import logs
from flyte.remote.details import ActionDetails, WaitFor, action_ref, call_runs, fetch_details, watch_details
from flyte.remote.facts import ActionFacts
from flyte.remote.listing import SortBy, TimeFilter, equal, list_request, pages, phase_filter, time_filter
from flyte.syncify import syncify
from flyte.wire.ids import action_to_pb, run_to_pb

_ALL = 1_000_000


@dataclass
class Action(ActionFacts):
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
        """The actions of a run of the configured project and domain, oldest first unless sorted."""
        run = run_to_pb(RunId(require_session().scope(), for_run_name))
        filters = [
            *phase_filter(in_phase),
            *equal("parent_name", parent_name),
            *time_filter("created_at", created_at),
            *time_filter("updated_at", updated_at),
        ]
        async for action in actions_of(run, filters, sort_by):
            yield action

    @staticmethod
    @syncify
    async def get(uri: str | None = None, /, run_name: str | None = None, name: str | None = None) -> Action:
        """An action by `RUN/ACTION`, or by its names."""
        details = await fetch_details(action_to_pb(action_ref(uri, run_name, name)))
        pb2 = run_definition_pb2.Action(id=details.pb2.id, metadata=details.pb2.metadata, status=details.pb2.status)
        return Action(pb2, details)

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
        """Print its log, and on until it is over; the parameters are those of `Run.show_logs`."""
        await logs.show(self.pb2.id, attempt, max_lines, show_ts=show_ts, raw=raw, filter_system=filter_system)

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


async def actions_of(run_id: Any, filters: list[Any], sort_by: SortBy | None = None) -> AsyncIterator[Action]:
    """The actions of a run, wherever it is, oldest first unless sorted."""
    request = list_request(filters, sort_by, ("created_at", "asc"), _ALL)

    async def fetch(page: Any) -> Any:
        return await call_runs("ListActions", request=page, run_id=run_id)

    async for row in pages(fetch, request, lambda answer: answer.actions, _ALL):
        yield Action(row)


async def abort_action(action_id: Any, reason: str) -> None:
    """Abort an action; one that is gone counts as aborted."""
    try:
        await call_runs("AbortAction", action_id=action_id, reason=reason)
    except RpcError as e:
        if e.code != "not_found":
            raise
