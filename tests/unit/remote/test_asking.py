"""What the handles of `flyte.remote` ask a backend for, and what they refuse to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from flyteidl2.workflow import run_definition_pb2

from flyte.client.session import Session, set_session
from flyte.config.settings import Config, TaskConfig
from flyte.errors import InvalidType, InvalidValue
from flyte.launch.running import RunOptions
from flyte.launch.submit import run_deployed
from flyte.model.ids import ROOT_ACTION, ActionRef, RunId, Scope
from flyte.model.phase import ActionPhase
from flyte.remote.action import Action
from flyte.remote.project import Project
from flyte.remote.run import Run
from flyte.remote.task import TaskDetails
from flyte.wire.ids import action_to_pb
from flyte.wire.services import method

ELSEWHERE = ActionRef(RunId(Scope("other", "production", "local"), "r1"), ROOT_ACTION)


class Backend:
    """Answers each method as a test says, and writes down what it was asked."""

    def __init__(self, **answers: Callable[[Any], None]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []

    async def unary(self, service: str, name: str, request: Any, *, timeout: float | None = None) -> Any:
        self.asked.append((name, request))
        response = method(service, name).response()
        self.answers.get(name, lambda _: None)(response)
        return response

    async def stream(self, service: str, name: str, request: Any) -> AsyncIterator[Any]:
        raise AssertionError(f"{name} was not to be asked for")
        yield


def connected(**answers: Callable[[Any], None]) -> Backend:
    backend = Backend(**answers)
    config = replace(Config(), task=replace(TaskConfig(), project="flytesnacks", domain="development", org="local"))
    set_session(Session(config=config, transport=backend))
    return backend


def run_elsewhere() -> Run:
    action = run_definition_pb2.Action(id=action_to_pb(ELSEWHERE))
    return Run(run_definition_pb2.Run(action=action))


def test_the_first_failure_is_looked_for_where_the_run_is() -> None:
    backend = connected(ListActions=lambda answer: answer.actions.add().id.CopyFrom(action_to_pb(ELSEWHERE)))
    run_elsewhere().first_failure()
    (listing, listed), (_, details) = backend.asked
    assert listing == "ListActions"
    assert (listed.run_id.project, listed.run_id.domain, listed.run_id.name) == ("other", "production", "r1")
    assert details.action_id.run.project == "other"


def test_the_actions_of_a_run_are_those_of_the_configured_project() -> None:
    backend = connected()
    assert list(Action.listall(for_run_name="r1")) == []
    ((_, listed),) = backend.asked
    assert (listed.run_id.project, listed.run_id.domain) == ("flytesnacks", "development")


def test_a_single_phase_stands_for_itself() -> None:
    backend = connected()
    list(Run.listall(in_phase="failed"))  # type: ignore[arg-type]
    list(Run.listall(in_phase=(ActionPhase.FAILED,)))
    (_, text), (_, phases) = backend.asked
    assert text.request.filters == phases.request.filters


def test_a_limit_of_zero_gives_nothing() -> None:
    connected(ListRuns=lambda answer: answer.runs.add())
    assert list(Run.listall(limit=0)) == []
    assert len(list(Run.listall(limit=1))) == 1


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: list(Run.listall(limit=-1)), "limit must be zero or more, not -1"),
        (lambda: list(Run.listall(sort_by=("created_at", "up"))), r"sort_by must be \(key, 'asc'\)"),  # type: ignore[arg-type]
        (lambda: list(Run.listall(in_phase=("gone",))), "'gone' is not a valid ActionPhase"),
        (lambda: Project.update("p", state="gone"), "'active' or 'archived', not 'gone'"),  # type: ignore[arg-type]
        (lambda: run_elsewhere().wait(wait_for="ever"), "wait_for must be 'terminal' or 'running', not 'ever'"),  # type: ignore[arg-type]
        (lambda: run_elsewhere().show_logs(max_lines=-1), "max_lines=….* not -1"),
        (lambda: list(run_elsewhere().get_logs(attempt=-1)), "there is no attempt -1"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(ask: Callable[[], Iterable[Any] | None], says: str) -> None:
    backend = connected()
    with pytest.raises(InvalidValue, match=says):
        ask()
    assert backend.asked == []


def deployed() -> TaskDetails:
    answer = method("TaskService", "GetTaskDetails").response()
    details = answer.details
    details.task_id.name = "env.task"
    variable = details.spec.task_template.interface.inputs.variables.add(key="x")
    variable.value.type.simple = 1
    for key, value in (("_F_SYS_PATH", "./src"), ("LEVEL", "1"), ("OTHER", "2")):
        details.spec.task_template.container.env.add(key=key, value=value)
    return TaskDetails(details)


def test_variables_of_a_deployed_task_are_overridden_and_its_modules_stay_found() -> None:
    changed = deployed().override(env_vars={"LEVEL": "3"})
    assert {pair.key: pair.value for pair in changed.spec.task_template.container.env} == {
        "_F_SYS_PATH": "./src",
        "LEVEL": "3",
    }


@pytest.mark.parametrize(
    ("args", "kwargs", "says"),
    [
        ((1, 2), {}, "Task env.task: Too many positional arguments"),
        ((), {"y": 1}, "Task env.task: Too many keyword arguments: no input is called 'y'"),
        ((), {}, "Task env.task: Missing required inputs: x"),
    ],
)
async def test_wrong_inputs_of_a_deployed_task_are_told_with_its_name(
    args: tuple[Any, ...], kwargs: dict[str, Any], says: str
) -> None:
    backend = connected()
    session = Session(transport=backend)
    with pytest.raises((InvalidValue, InvalidType), match=says):
        await run_deployed(session, deployed(), args, kwargs, RunOptions(project="p", domain="d"))
