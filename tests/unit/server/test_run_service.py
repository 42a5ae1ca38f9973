"""RunService over HTTP: starting, showing, listing, watching and aborting runs."""

from __future__ import annotations

import asyncio
import pathlib
import uuid
from typing import Any

import pytest
from flyteidl2.common import list_pb2

from flyte.client.transport import Address, ConnectTransport
from flyte.errors import RpcError
from flyte.model.ids import RunId, Scope
from flyte.storage.local import local_path
from flyte.wire.ids import project_to_pb, run_to_pb
from flyte.wire.services import method

SERVICE = "RunService"


async def test_a_run_of_a_spec_is_queued_started_and_ends_with_its_outputs(site: Any, make: Any) -> None:
    answer = await site.call(SERVICE, "CreateRun", run_id=make.run_id("one"), task_spec=make.task_spec())
    assert answer.run.action.id.run.name == "one" and answer.run.action.id.name == "a0"
    launch = await site.executor.launched("one")
    site.executor.started(launch)
    await site.phase("one", 4)
    site.executor.succeed(launch, make.outputs(42))
    await site.phase("one", 5)
    details = (await site.call(SERVICE, "GetRunDetails", run_id=make.run_id("one"))).details.action
    assert details.status.attempts == 1 and details.attempts[0].outputs.output_uri.endswith("/one/a0/1/outputs.pb")
    assert [t.phase for t in details.attempts[0].phase_transitions] == [1, 3, 4, 5]


async def test_a_run_without_a_name_gets_one(site: Any, make: Any) -> None:
    answer = await site.call(SERVICE, "CreateRun", project_id=make.project_id(), task_spec=make.task_spec())
    name = answer.run.action.id.run.name
    assert name.startswith("r") and len(name) == 20


class LosingAnswers(ConnectTransport):
    """A transport on which the first answers never arrive."""

    lost = 0

    async def _once(self, *args: Any) -> Any:
        answer = await super()._once(*args)
        if self.lost < 2:
            self.lost += 1
            raise RpcError("The answer was lost.", code="unavailable")
        return answer


@pytest.mark.parametrize("target", ["named", "nameless"])
async def test_a_request_whose_answer_was_lost_is_sent_again_and_makes_one_run(
    site: Any, make: Any, target: str
) -> None:
    client = LosingAnswers(Address(site.plane.url))
    request = method(SERVICE, "CreateRun").request(task_spec=make.task_spec(inputs=("x",)), inputs=make.inputs(x=1))
    if target == "named":
        request.run_id.CopyFrom(run_to_pb(RunId(Scope("flytesnacks", "development", "local"), "twice")))
    else:
        request.project_id.CopyFrom(project_to_pb(Scope("flytesnacks", "development", "local")))
    answer = await client.unary(SERVICE, "CreateRun", request)
    name = answer.run.action.id.run.name
    await site.executor.launched(name)
    listed = await site.call(SERVICE, "ListRuns", project_id=make.project_id())
    assert client.lost == 2
    assert [run.action.id.run.name for run in listed.runs] == [name] and len(site.executor.launches) == 1


async def test_a_new_request_for_a_taken_name_is_refused_even_with_the_very_same_content(site: Any, make: Any) -> None:
    fields = {"run_id": make.run_id("again"), "task_spec": make.task_spec(inputs=("x",)), "inputs": make.inputs(x=1)}
    await site.call(SERVICE, "CreateRun", **fields)
    error = await site.refused(SERVICE, "CreateRun", **fields)
    assert error.code == "already_exists" and "again" in error.message


async def test_equal_requests_without_a_name_make_a_run_each(site: Any, make: Any) -> None:
    fields = {"project_id": make.project_id(), "task_spec": make.task_spec()}
    await asyncio.gather(*(site.call(SERVICE, "CreateRun", **fields) for _ in range(3)))
    assert len((await site.call(SERVICE, "ListRuns", project_id=make.project_id())).runs) == 3


@pytest.mark.parametrize(("request_id", "runs"), [("", 2), ("p-d-r-a-ab12", 2), (str(uuid.UUID(int=7)), 1)])
async def test_a_nameless_request_is_known_again_by_a_unique_id_only(
    site: Any, make: Any, request_id: str, runs: int
) -> None:
    client = site.client_with({"x-request-id": request_id})
    request = method(SERVICE, "CreateRun").request(task_spec=make.task_spec())
    request.project_id.CopyFrom(project_to_pb(Scope("flytesnacks", "development", "local")))
    for _ in range(2):
        await client.unary(SERVICE, "CreateRun", request)
    assert len((await site.call(SERVICE, "ListRuns", project_id=make.project_id())).runs) == runs


async def test_a_client_that_gives_its_requests_no_ids_gets_a_taken_name_refused(site: Any, make: Any) -> None:
    client = site.client_with({"x-request-id": ""})
    request = method(SERVICE, "CreateRun").request(task_spec=make.task_spec())
    request.run_id.CopyFrom(run_to_pb(RunId(Scope("flytesnacks", "development", "local"), "plain")))
    await client.unary(SERVICE, "CreateRun", request)
    with pytest.raises(RpcError) as caught:
        await client.unary(SERVICE, "CreateRun", request)
    assert caught.value.code == "already_exists"


async def test_twenty_requests_for_one_name_at_once_make_one_run_and_refuse_the_others(site: Any, make: Any) -> None:
    fields = {"run_id": make.run_id("race"), "task_spec": make.task_spec()}
    requests = (site.call(SERVICE, "CreateRun", **fields) for _ in range(20))
    answers = await asyncio.gather(*requests, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, RpcError)]
    assert len(refused) == 19 and {error.code for error in refused} == {"already_exists"}
    assert len((await site.call(SERVICE, "ListRuns", project_id=make.project_id())).runs) == 1


async def test_a_taken_name_is_refused(site: Any, make: Any) -> None:
    await site.run("taken")
    error = await site.refused(SERVICE, "CreateRun", run_id=make.run_id("taken"), task_spec=make.task_spec("env.other"))
    assert error.code == "already_exists" and "taken" in error.message


async def test_an_unknown_project_is_named_with_the_command_that_makes_it(
    site: Any, make: Any, tmp_path: pathlib.Path
) -> None:
    error = await site.refused(SERVICE, "CreateRun", run_id=make.run_id("x", "nope"), task_spec=make.task_spec())
    assert error.code == "not_found" and "flyte create project --id nope" in error.message
    assert not (tmp_path / "data" / "blobs" / "nope").exists()


async def test_an_unknown_domain_is_refused_with_the_domains(site: Any, make: Any) -> None:
    name = make.run_id("x", domain="testing")
    error = await site.refused(SERVICE, "CreateRun", run_id=name, task_spec=make.task_spec())
    assert error.code == "not_found" and "development, staging, production" in error.message


@pytest.mark.parametrize("name", ["Upper", "under_score", "a/b", "..", "x" * 31, "-dash", "é", "a b", "\u202e"])
async def test_a_run_name_that_breaks_the_rules_is_refused(site: Any, make: Any, name: str) -> None:
    error = await site.refused(SERVICE, "CreateRun", run_id=make.run_id(name), task_spec=make.task_spec())
    assert error.code == "invalid_argument"


@pytest.mark.parametrize("project", ["", "a/../b", "..", "a b", "x" * 64, ".hidden", "a\n"])
async def test_a_project_name_that_breaks_the_rules_is_refused(site: Any, make: Any, project: str) -> None:
    error = await site.refused(SERVICE, "CreateRun", run_id=make.run_id("x", project), task_spec=make.task_spec())
    assert error.code == "invalid_argument"


@pytest.mark.parametrize("missing", ["task_spec", "run_id"])
async def test_a_request_without_task_or_run_is_refused(site: Any, make: Any, missing: str) -> None:
    fields = {"run_id": make.run_id("x"), "task_spec": make.task_spec()}
    del fields[missing]
    assert (await site.refused(SERVICE, "CreateRun", **fields)).code == "invalid_argument"


async def test_a_task_without_a_container_is_refused(site: Any, make: Any) -> None:
    spec = make.task_spec()
    spec.task_template.ClearField("container")
    error = await site.refused(SERVICE, "CreateRun", run_id=make.run_id("x"), task_spec=spec)
    assert error.code == "invalid_argument" and "container" in error.message


async def test_a_run_of_a_trigger_is_not_offered_yet(site: Any, make: Any) -> None:
    error = await site.refused(SERVICE, "CreateRun", run_id=make.run_id("x"), trigger_name={"name": "t"})
    assert error.code == "unimplemented"


@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
async def test_a_start_time_beyond_the_calendar_is_refused(site: Any, make: Any, seconds: int) -> None:
    fields = {"run_id": make.run_id("x"), "task_spec": make.task_spec(), "run_start_time": {"seconds": seconds}}
    assert (await site.refused(SERVICE, "CreateRun", **fields)).code == "invalid_argument"


@pytest.mark.parametrize(
    "backoff",
    [
        {"base": {"seconds": 2**60}},
        {"base": {"seconds": 10**13}},
        {"base": {"seconds": -5}},
        {"base": {"seconds": 1}, "factor": 10.0},
        {"base": {"seconds": 1}, "factor": float("nan"), "cap": {"seconds": 5}},
    ],
)
async def test_an_impossible_back_off_is_refused(site: Any, make: Any, backoff: dict[str, Any]) -> None:
    spec = make.task_spec()
    spec.task_template.metadata.retries.retries = 1
    spec.task_template.metadata.retries.backoff.base.seconds = backoff["base"]["seconds"]
    spec.task_template.metadata.retries.backoff.factor = backoff.get("factor", 1.0)
    if "cap" in backoff:
        spec.task_template.metadata.retries.backoff.cap.seconds = 5
    error = await site.refused(SERVICE, "CreateRun", run_id=make.run_id("x"), task_spec=spec)
    assert error.code == "invalid_argument"


async def stored_inputs(site: Any, make: Any, run: str) -> dict[str, int]:
    data = await site.call("DataProxyService", "GetActionData", action_id=make.action_id(run))
    return {named.name: named.value.scalar.primitive.integer for named in data.inputs.literals}


async def test_inline_inputs_are_completed_with_the_defaults_of_the_task(site: Any, make: Any) -> None:
    spec = make.task_spec(inputs=("a", "b", "c"), defaults={"b": 2, "c": 3})
    await site.run("filled", spec, inputs=make.inputs(c=30, a=10))
    assert list((await stored_inputs(site, make, "filled")).items()) == [("a", 10), ("b", 2), ("c", 30)]


async def test_a_run_without_inputs_takes_all_defaults(site: Any, make: Any) -> None:
    await site.run("defaults", make.task_spec(inputs=("a",), defaults={"a": 7}))
    assert await stored_inputs(site, make, "defaults") == {"a": 7}


async def test_a_missing_an_unknown_and_a_doubled_input_are_refused_by_name(site: Any, make: Any) -> None:
    spec, name = make.task_spec(inputs=("a",)), make.run_id("x")
    missing = await site.refused(SERVICE, "CreateRun", run_id=name, task_spec=spec)
    unknown = await site.refused(SERVICE, "CreateRun", run_id=name, task_spec=spec, inputs=make.inputs(a=1, z=1))
    doubled = make.inputs(a=1)
    doubled.literals.append(doubled.literals[0])
    twice = await site.refused(SERVICE, "CreateRun", run_id=name, task_spec=spec, inputs=doubled)
    assert {missing.code, unknown.code, twice.code} == {"invalid_argument"}
    assert "'a'" in missing.message and "'z'" in unknown.message and "twice" in twice.message


async def test_offloaded_inputs_need_an_address(site: Any, make: Any) -> None:
    fields = {"run_id": make.run_id("x"), "task_spec": make.task_spec()}
    error = await site.refused(SERVICE, "CreateRun", offloaded_input_data={"uri": "", "inputs_hash": "h"}, **fields)
    assert error.code == "invalid_argument"


async def test_a_run_of_a_task_without_inputs_takes_what_was_uploaded_for_it(site: Any, make: Any) -> None:
    upload = {"project_id": make.project_id(), "task_spec": make.task_spec(), "inputs": make.inputs()}
    data = (await site.call("DataProxyService", "UploadInputs", **upload)).offloaded_input_data
    assert data.uri and not data.inputs_hash
    await site.run("none", offloaded_input_data=data)
    await site.finish("none")


@pytest.mark.parametrize(
    "uri",
    ["file:///etc", "/etc", "file://evil/etc", "FILE:///etc", "etc", "http://169.254.169.254/x", "gopher://x/y", "\0"],
)
async def test_offloaded_inputs_outside_of_the_backend_are_refused(site: Any, make: Any, uri: str) -> None:
    data = {"uri": uri, "inputs_hash": "h"}
    fields = {"run_id": make.run_id("x"), "task_spec": make.task_spec(), "offloaded_input_data": data}
    assert (await site.refused(SERVICE, "CreateRun", **fields)).code == "permission_denied"


async def test_inline_and_offloaded_inputs_share_the_cache(site: Any, make: Any) -> None:
    spec = make.task_spec(inputs=("a",), discoverable=True, discovery_version="1")
    uploaded = await site.call(
        "DataProxyService", "UploadInputs", project_id=make.project_id(), task_spec=spec, inputs=make.inputs(a=1)
    )
    await site.run("first", spec, offloaded_input_data=uploaded.offloaded_input_data)
    await site.finish("first", make.outputs(1))
    await site.run("second", spec, inputs=make.inputs(a=1))
    await site.phase("second", 5)
    details = (await site.call(SERVICE, "GetActionDetails", action_id=make.action_id("second"))).details
    assert details.status.cache_status == 2


async def test_watching_details_tells_the_state_at_once_and_ends_with_the_action(site: Any, make: Any) -> None:
    await site.run("watched")
    launch = await site.executor.launched("watched")
    stream = site.stream(SERVICE, "WatchActionDetails", action_id=make.action_id("watched"))
    phases = [(await anext(stream)).details.status.phase]
    assert phases == [3]
    site.executor.succeed(launch)
    phases += [update.details.status.phase async for update in stream]
    assert phases[-1] == 5


async def test_watching_a_finished_run_tells_it_once_and_ends(site: Any, make: Any) -> None:
    await site.run("over")
    await site.finish("over")
    for name, fields in (
        ("WatchActionDetails", {"action_id": make.action_id("over")}),
        ("WatchRunDetails", {"run_id": make.run_id("over")}),
    ):
        assert len([update async for update in site.stream(SERVICE, name, **fields)]) == 1


@pytest.mark.parametrize("name", ["GetRunDetails", "AbortRun"])
async def test_an_unknown_run_is_not_found(site: Any, make: Any, name: str) -> None:
    error = await site.refused(SERVICE, name, run_id=make.run_id("nobody"))
    assert error.code == "not_found" and "There is no run nobody" in error.message


@pytest.mark.parametrize("name", ["GetActionDetails", "AbortAction", "GetActionDataURIs"])
async def test_an_unknown_action_is_not_found(site: Any, make: Any, name: str) -> None:
    await site.run("known")
    error = await site.refused(SERVICE, name, action_id=make.action_id("known", "ghost"))
    assert error.code == "not_found" and "ghost" in error.message


@pytest.mark.parametrize("name", ["WatchActionDetails", "WatchRunDetails", "WatchActions"])
async def test_watching_what_is_not_there_is_not_found(site: Any, make: Any, name: str) -> None:
    fields = {"action_id": make.action_id("nobody")} if "ActionD" in name else {"run_id": make.run_id("nobody")}
    with pytest.raises(Exception, match="There is no run nobody") as caught:
        await anext(site.stream(SERVICE, name, **fields))
    assert caught.value.code == "not_found"


async def listed(site: Any, make: Any, *filters: tuple[int, str, list[str]], **request: Any) -> list[str]:
    conditions = [{"function": function, "field": field, "values": values} for function, field, values in filters]
    answer = await site.call(
        SERVICE, "ListRuns", project_id=make.project_id(), request={"filters": conditions, **request}
    )
    return [run.action.id.run.name for run in answer.runs]


F = list_pb2.Filter


async def test_runs_are_filtered_by_phase_number_and_task_name(site: Any, make: Any) -> None:
    await site.run("done", make.task_spec("env.alpha"))
    await site.finish("done")
    site.executor.places = 0
    await site.run("waits", make.task_spec("env.beta"))
    assert await listed(site, make, (F.EQUAL, "phase", ["5"])) == ["done"]
    assert await listed(site, make, (F.VALUE_IN, "phase", ["1", "5"])) == ["waits", "done"]
    assert await listed(site, make, (F.VALUE_NOT_IN, "phase", ["5"])) == ["waits"]
    assert await listed(site, make, (F.EQUAL, "task_name", ["env.beta"])) == ["waits"]
    assert await listed(site, make, (F.CONTAINS, "task_name", [".al"])) == ["done"]
    assert await listed(site, make, (F.CONTAINS, "task_name", [".AL"])) == []
    assert await listed(site, make, (F.CONTAINS_CASE_INSENSITIVE, "task_name", [".AL"])) == ["done"]
    assert await listed(site, make, (F.ENDS_WITH, "task_name", ["beta"])) == ["waits"]
    assert await listed(site, make, (F.NOT_ENDS_WITH, "task_name", ["beta"])) == ["done"]
    assert await listed(site, make, (F.ENDS_WITH, "task_name", ["x" * 400 + "env.beta"])) == []
    assert await listed(site, make, (F.CONTAINS, "task_name", ["%"])) == []
    by_name = await site.call(SERVICE, "ListRuns", task_name={**project_of(make), "name": "env.alpha"})
    assert [run.action.id.run.name for run in by_name.runs] == ["done"]


def project_of(make: Any) -> dict[str, str]:
    return {"org": "local", "project": "flytesnacks", "domain": "development"}


@pytest.mark.parametrize(
    "label", ["team", "app.kubernetes.io/name", "with-dash", "with space", 'quo"te', "$.x", "a'b", "ünï", "dot.", "*"]
)
async def test_runs_are_filtered_by_labels_of_any_name(site: Any, make: Any, label: str) -> None:
    await site.run("red", run_spec={"labels": {"values": {label: "red"}}})
    await site.run("blue", run_spec={"labels": {"values": {label: "blue", "other": "1"}}})
    await site.run("bare")
    assert await listed(site, make, (F.EQUAL, f"labels.{label}", ["red"])) == ["red"]
    assert await listed(site, make, (F.EXISTS, f"labels.{label}", [])) == ["blue", "red"]
    assert await listed(site, make, (F.NOT_EXISTS, f"labels.{label}", [])) == ["bare"]
    both = ((F.EQUAL, f"labels.{label}", ["blue"]), (F.EQUAL, "labels.other", ["1"]))
    assert await listed(site, make, *both) == ["blue"]


async def test_runs_are_filtered_by_time(site: Any, make: Any) -> None:
    await site.run("now")
    for field in ("created_at", "updated_at"):
        assert await listed(site, make, (F.GREATER_THAN, field, ["2020-01-01T00:00:00Z"])) == ["now"]
        assert await listed(site, make, (F.LESS_THAN_OR_EQUAL, field, ["2020-01-01T00:00:00.123456789+02:00"])) == []


async def test_all_runs_of_one_machine_are_its_users(site: Any, make: Any) -> None:
    await site.run("mine")
    me = (await site.call("IdentityService", "UserInfo")).subject
    assert await listed(site, make, (F.EQUAL, "created_by_subject", [me])) == ["mine"]
    assert await listed(site, make, (F.EQUAL, "created_by_subject", ["somebody-else"])) == []


@pytest.mark.parametrize(
    ("function", "field", "values"),
    [
        (F.EQUAL, "phase", ["99"]),
        (F.EQUAL, "phase", ["running"]),
        (F.EQUAL, "phase", []),
        (F.EQUAL, "phase", ["1", "2"]),
        (F.VALUE_IN, "phase", ["1"] * 501),
        (F.GREATER_THAN, "created_at", ["yesterday"]),
        (F.GREATER_THAN, "created_at", ["2020-01-01T00:00:00"]),
        (F.EQUAL, "run_spec", ["x"]),
        (F.EQUAL, "labels.", ["x"]),
        (F.EQUAL, "phase; DROP TABLE runs", ["1"]),
        (99, "phase", ["1"]),
    ],
)
async def test_a_filter_that_cannot_be_is_refused(
    site: Any, make: Any, function: Any, field: str, values: list[str]
) -> None:
    condition = {"function": function, "field": field, "values": values}
    request = {"filters": [condition]}
    error = await site.refused(SERVICE, "ListRuns", project_id=make.project_id(), request=request)
    assert error.code == "invalid_argument"


async def test_a_list_is_sorted_and_paged_without_repeats_while_runs_are_added(site: Any, make: Any) -> None:
    site.executor.places = 0
    for i in range(7):
        await site.run(f"run-{i}")
    seen, token = [], ""
    while True:
        answer = await site.call(
            SERVICE, "ListRuns", project_id=make.project_id(), request={"limit": 3, "token": token}
        )
        seen += [run.action.id.run.name for run in answer.runs]
        token = answer.token
        if not token:
            break
        await site.run(f"late-{len(seen)}")
    assert seen == [f"run-{i}" for i in reversed(range(7))]
    by_name = {"sort_by": {"key": "name", "direction": "ASCENDING"}, "limit": 2}
    assert await listed(site, make, **by_name) == ["late-3", "late-6"]


@pytest.mark.parametrize("token", ["garbage", "e30=", "WzFd", "eyJrZXkiOiBudWxsLCAidGllIjogMX0=", "é", "[" * 9000])
async def test_a_page_token_of_somebody_else_is_refused(site: Any, make: Any, token: str) -> None:
    error = await site.refused(SERVICE, "ListRuns", project_id=make.project_id(), request={"token": token})
    assert error.code == "invalid_argument"


@pytest.mark.parametrize("key", ["labels.team", "created_by_subject", "nonsense"])
async def test_sorting_by_what_has_no_order_is_refused(site: Any, make: Any, key: str) -> None:
    error = await site.refused(SERVICE, "ListRuns", project_id=make.project_id(), request={"sort_by": {"key": key}})
    assert error.code == "invalid_argument"


async def test_actions_are_listed_oldest_first_and_filtered_by_parent_and_kind(site: Any, make: Any) -> None:
    await site.run("tree")
    for name in ("c1", "c2"):
        await site.call("ActionsService", "Enqueue", action=make.child("tree", name))
    await site.call("ActionsService", "Enqueue", action=make.child("tree", "g1", parent="c1"))

    async def actions(*filters: dict[str, Any]) -> list[str]:
        fields = {"run_id": make.run_id("tree"), "request": {"filters": list(filters)}}
        return [action.id.name for action in (await site.call(SERVICE, "ListActions", **fields)).actions]

    assert await actions() == ["a0", "c1", "c2", "g1"]
    assert await actions({"function": F.EQUAL, "field": "parent_name", "values": ["c1"]}) == ["g1"]
    assert await actions({"function": F.EQUAL, "field": "action_type", "values": ["1"]}) == ["a0", "c1", "c2", "g1"]
    assert await actions({"function": F.EQUAL, "field": "action_type", "values": ["2"]}) == []
    unknown = await site.refused(SERVICE, "ListActions", run_id=make.run_id("nobody"))
    assert unknown.code == "not_found"


async def test_watching_all_actions_tells_the_snapshot_and_every_change_until_the_run_is_over(
    site: Any, make: Any
) -> None:
    await site.run("all")
    root = await site.executor.launched("all")
    stream = site.stream(SERVICE, "WatchActions", run_id=make.run_id("all"))
    assert [e.action.id.name for e in (await anext(stream)).enriched_actions] == ["a0"]
    await site.call("ActionsService", "Enqueue", action=make.child("all", "c1"))
    site.executor.succeed(await site.executor.launched("all", "c1"))
    await site.phase("all", 5, "c1")
    site.executor.succeed(root)
    last = {}
    async for update in stream:
        for enriched in update.enriched_actions:
            last[enriched.action.id.name] = enriched.action.status.phase
    assert last == {"c1": 5, "a0": 5}


async def test_watching_runs_tells_those_that_are_there_and_each_new_one(site: Any, make: Any) -> None:
    await site.run("first")
    stream = site.stream(SERVICE, "WatchRuns", project_id=make.project_id())
    assert [run.action.id.run.name for run in (await anext(stream)).runs] == ["first"]
    await site.run("second")
    assert [run.action.id.run.name for run in (await anext(stream)).runs] == ["second"]
    await stream.aclose()


async def test_aborting_a_run_ends_everything_below_it_and_stops_the_processes(site: Any, make: Any) -> None:
    await site.run("doomed")
    await site.executor.launched("doomed")
    await site.call("ActionsService", "Enqueue", action=make.child("doomed", "c1"))
    await site.call("ActionsService", "Enqueue", action=make.child("doomed", "g1", parent="c1"))
    for name in ("c1", "g1"):
        await site.executor.launched("doomed", name)
    await site.call(SERVICE, "AbortRun", run_id=make.run_id("doomed"), reason="enough")
    answer = await site.call(SERVICE, "ListActions", run_id=make.run_id("doomed"))
    assert {action.status.phase for action in answer.actions} == {7}
    assert {key.action for key, _ in site.executor.stops} == {"a0", "c1", "g1"}
    details = (await site.call(SERVICE, "GetActionDetails", action_id=make.action_id("doomed"))).details
    assert details.abort_info.reason == "enough"
    await site.call(SERVICE, "AbortRun", run_id=make.run_id("doomed"), reason="again")
    details = (await site.call(SERVICE, "GetActionDetails", action_id=make.action_id("doomed"))).details
    assert details.abort_info.reason == "enough"


async def test_a_chain_of_two_thousand_nested_actions_can_be_aborted(site: Any, make: Any) -> None:
    site.executor.places = 0
    await site.run("deep")

    async def nest(tx: Any) -> None:
        root = await tx.one("actions.get", project="flytesnacks", domain="development", run="deep", name="a0")
        values = {key: value for key, value in dict(root).items() if key not in ("id", "project", "domain", "org")}
        for i in range(2000):
            parent = f"n{i - 1}" if i else "a0"
            await tx.one("actions.add", **{**values, "name": f"n{i}", "parent": parent, "now": 1, "revision": i + 2})

    await site.plane.store.write(nest)
    await site.call(SERVICE, "AbortRun", run_id=make.run_id("deep"), reason="too deep")
    details = (await site.call(SERVICE, "GetActionDetails", action_id=make.action_id("deep", "n1999"))).details
    assert details.status.phase == 7 and len(details.abort_info.reason) < 100


async def test_a_reason_is_kept_within_its_bound_all_the_way_down(site: Any, make: Any) -> None:
    await site.run("wordy")
    await site.executor.launched("wordy")
    await site.call("ActionsService", "Enqueue", action=make.child("wordy", "below"))
    await site.call(SERVICE, "AbortRun", run_id=make.run_id("wordy"), reason="because " * 10_000)
    for action in ("a0", "below"):
        details = await site.call(SERVICE, "GetActionDetails", action_id=make.action_id("wordy", action))
        assert "because because" in details.details.abort_info.reason
        assert details.details.abort_info.reason.endswith("…") and len(details.details.abort_info.reason) < 1100


@pytest.mark.parametrize("base", ["file:///elsewhere", "relative", "s3://bucket/runs", "file://{blobs}/../.."])
async def test_a_base_folder_whose_results_could_not_be_shown_is_refused(
    site: Any, make: Any, tmp_path: pathlib.Path, base: str
) -> None:
    base = base.format(blobs=tmp_path / "data" / "blobs")
    fields = {"run_id": make.run_id("x"), "task_spec": make.task_spec(), "run_spec": {"run_base_dir": base}}
    error = await site.refused(SERVICE, "CreateRun", **fields)
    assert error.code == "invalid_argument" and "base folder" in error.message and base[:20] in error.message


async def test_a_base_folder_of_the_backend_is_where_the_run_lies(site: Any, make: Any, tmp_path: pathlib.Path) -> None:
    base = (tmp_path / "data" / "blobs" / "mine").as_uri()
    await site.run("placed", run_spec={"run_base_dir": f"{base}/"})
    launch = await site.executor.launched("placed")
    assert launch.output_prefix == f"{base}/flytesnacks/development/placed/a0/1"
    await site.finish("placed", make.outputs(5))
    data = await site.call("DataProxyService", "GetActionData", action_id=make.action_id("placed"))
    assert data.outputs == make.outputs(5)


async def test_aborting_one_action_leaves_its_parent_alone(site: Any, make: Any) -> None:
    await site.run("half")
    await site.call("ActionsService", "Enqueue", action=make.child("half", "c1"))
    await site.call(SERVICE, "AbortAction", action_id=make.action_id("half", "c1"))
    phases = {
        a.id.name: a.status.phase for a in (await site.call(SERVICE, "ListActions", run_id=make.run_id("half"))).actions
    }
    assert phases["c1"] == 7 and phases["a0"] in (1, 3)


async def test_the_addresses_of_inputs_and_outputs_are_those_of_files(site: Any, make: Any) -> None:
    await site.run("uris", make.task_spec(inputs=("a",)), inputs=make.inputs(a=1))
    await site.finish("uris", make.outputs(1))
    uris = await site.call(SERVICE, "GetActionDataURIs", action_id=make.action_id("uris"))
    assert uris.inputs_uri.endswith("/inputs.pb") and uris.outputs_uri.endswith("/a0/1/outputs.pb")
    assert local_path(uris.inputs_uri).is_file() and local_path(uris.outputs_uri).is_file()


async def test_a_user_failure_is_retried_and_the_action_is_not_failed_in_between(site: Any, make: Any) -> None:
    spec = make.task_spec()
    spec.task_template.metadata.retries.retries = 1
    await site.run("again", spec)
    first = await site.executor.launched("again")
    stream = site.stream(SERVICE, "WatchActionDetails", action_id=make.action_id("again"))
    site.executor.fail(first)
    site.executor.succeed(await site.executor.launched("again", attempt=2))
    updates = [update.details async for update in stream]
    assert all(update.status.phase != 6 for update in updates)
    assert [attempt.phase for attempt in updates[-1].attempts] == [6, 5] and updates[-1].status.attempts == 2


async def test_a_failure_names_its_kind_and_code(site: Any, make: Any) -> None:
    await site.run("bad")
    site.executor.fail(await site.executor.launched("bad"), exit_code=3)
    await site.phase("bad", 6)
    error = (await site.call(SERVICE, "GetActionDetails", action_id=make.action_id("bad"))).details.error_info
    assert error.code == "NonZeroExit" and "exit code 3" in error.message
