"""Tasks, projects and the small services over HTTP."""

from __future__ import annotations

from typing import Any

import pyqwest
import pytest
from flyteidl2.common import list_pb2

from flyte.errors import RpcError
from flyte.server.services.runs import RunService

F = list_pb2.Filter


def task_id(name: str = "env.main", version: str = "v1", project: str = "flytesnacks") -> dict[str, str]:
    return {"org": "local", "project": project, "domain": "development", "name": name, "version": version}


async def deploy(site: Any, spec: Any, **identifier: str) -> None:
    await site.call("TaskService", "DeployTask", task_id=task_id(**identifier), spec=spec)


async def test_a_deployed_task_can_be_shown_and_run(site: Any, make: Any) -> None:
    await deploy(site, make.task_spec(inputs=("a",), defaults={"a": 5}))
    details = (await site.call("TaskService", "GetTaskDetails", task_id=task_id())).details
    assert details.metadata.environment_name == "env" and details.spec.short_name == "main"
    run = {"run_id": make.run_id("deployed"), "task_id": task_id()}
    await site.call("RunService", "CreateRun", **run)
    await site.executor.launched("deployed")
    data = await site.call("DataProxyService", "GetActionData", action_id=make.action_id("deployed"))
    assert data.inputs == make.inputs(a=5)


async def test_a_run_of_a_deployed_task_is_known_by_what_it_was_deployed_as(site: Any, make: Any) -> None:
    await deploy(site, make.task_spec("env.other"), name="env.main")
    answer = await site.call("RunService", "CreateRun", run_id=make.run_id("named"), task_id=task_id())
    assert answer.run.action.metadata.task.id.name == "env.main"


async def test_the_same_version_again_is_there_already_and_another_one_names_what_differs(site: Any, make: Any) -> None:
    await deploy(site, make.task_spec())
    same = await site.refused("TaskService", "DeployTask", task_id=task_id(), spec=make.task_spec())
    assert same.code == "already_exists"
    changed = make.task_spec()
    changed.task_template.container.image = "other"
    other = await site.refused("TaskService", "DeployTask", task_id=task_id(), spec=changed)
    assert other.code == "failed_precondition" and "container" in other.message
    documented = make.task_spec()
    documented.documentation.short_description = "new"
    other = await site.refused("TaskService", "DeployTask", task_id=task_id(), spec=documented)
    assert other.code == "failed_precondition" and "documentation" in other.message


async def test_the_same_task_from_another_commit_is_unchanged_and_keeps_its_first_link(site: Any, make: Any) -> None:
    first, second, undocumented = make.task_spec(), make.task_spec(), make.task_spec()
    first.documentation.source_code.link = "https://git.example/flows/blob/aaa/flows.py#L3"
    second.documentation.source_code.link = "https://git.example/flows/blob/bbb/flows.py#L9"
    await deploy(site, first)
    for spec in (second, undocumented):
        error = await site.refused("TaskService", "DeployTask", task_id=task_id(), spec=spec)
        assert error.code == "already_exists" and "unchanged" in error.message
    details = (await site.call("TaskService", "GetTaskDetails", task_id=task_id())).details
    assert details.spec.documentation.source_code.link.endswith("/aaa/flows.py#L3")


async def test_a_task_with_triggers_is_not_offered_yet(site: Any, make: Any) -> None:
    error = await site.refused(
        "TaskService", "DeployTask", task_id=task_id(), spec=make.task_spec(), triggers=[{"name": "t"}]
    )
    assert error.code == "unimplemented"


@pytest.mark.parametrize(
    ("identifier", "code"),
    [
        ({"name": ""}, "invalid_argument"),
        ({"name": "a/b"}, "invalid_argument"),
        ({"name": "x" * 256}, "invalid_argument"),
        ({"version": ""}, "invalid_argument"),
        ({"version": "v" * 64}, "invalid_argument"),
        ({"version": "v\n"}, "invalid_argument"),
        ({"project": "nope"}, "not_found"),
    ],
)
async def test_a_task_with_an_impossible_name_is_refused(
    site: Any, make: Any, identifier: dict[str, str], code: str
) -> None:
    error = await site.refused("TaskService", "DeployTask", task_id=task_id(**identifier), spec=make.task_spec())
    assert error.code == code


async def test_tasks_are_listed_in_their_newest_version_and_versions_newest_first(site: Any, make: Any) -> None:
    for name, version in (("env.a", "v1"), ("env.b", "v1"), ("env.a", "v2"), ("env.a", "v0")):
        await deploy(site, make.task_spec(name), name=name, version=version)
    listed = await site.call("TaskService", "ListTasks", project_id=make.project_id())
    assert [(t.task_id.name, t.task_id.version) for t in listed.tasks] == [("env.a", "v0"), ("env.b", "v1")]
    only = {"filters": [{"function": F.EQUAL, "field": "name", "values": ["env.a"]}], "limit": 1}
    listed = await site.call("TaskService", "ListTasks", project_id=make.project_id(), request=only)
    assert [(t.task_id.name, t.task_id.version) for t in listed.tasks] == [("env.a", "v0")]
    name = {"org": "local", "project": "flytesnacks", "domain": "development", "name": "env.a"}
    seen, token = [], ""
    while not seen or token:
        page = await site.call("TaskService", "ListVersions", task_name=name, request={"limit": 2, "token": token})
        seen += [version.version for version in page.versions]
        token = page.token
    assert seen == ["v0", "v2", "v1"]


async def test_an_unknown_task_is_not_found(site: Any, make: Any) -> None:
    assert (await site.refused("TaskService", "GetTaskDetails", task_id=task_id())).code == "not_found"
    run = {"run_id": make.run_id("x"), "task_id": task_id()}
    assert (await site.refused("RunService", "CreateRun", **run)).code == "not_found"


async def test_projects_are_made_changed_archived_and_listed(site: Any) -> None:
    project = {"id": "new", "name": "New", "description": "first", "labels": {"values": {"team": "x"}}}
    await site.call("ProjectService", "CreateProject", project=project)
    assert (await site.refused("ProjectService", "CreateProject", project=project)).code == "already_exists"
    got = (await site.call("ProjectService", "GetProject", id="new")).project
    assert (got.name, got.description, dict(got.labels.values)) == ("New", "first", {"team": "x"})
    assert [domain.id for domain in got.domains] == ["development", "staging", "production"]
    await site.call("ProjectService", "UpdateProject", project={"id": "new", "description": "second"})
    got = (await site.call("ProjectService", "GetProject", id="new")).project
    assert (got.name, got.description, dict(got.labels.values)) == ("New", "second", {"team": "x"})
    archived = {"id": "new", "state": "PROJECT_STATE_ARCHIVED"}
    await site.call("ProjectService", "UpdateProject", project=archived)
    listed = (await site.call("ProjectService", "ListProjects")).projects.projects
    assert [p.id for p in listed] == ["flytesnacks"]
    await site.call("ProjectService", "UpdateProject", project={"id": "new"})
    listed = (await site.call("ProjectService", "ListProjects")).projects.projects
    assert [p.id for p in listed] == ["flytesnacks", "new"]


async def test_projects_are_listed_in_pages(site: Any) -> None:
    for i in range(5):
        await site.call("ProjectService", "CreateProject", project={"id": f"p{i}"})
    seen, token = [], ""
    while not seen or token:
        page = (await site.call("ProjectService", "ListProjects", limit=2, token=token)).projects
        seen += [project.id for project in page.projects]
        token = page.token
    assert seen == ["flytesnacks", "p0", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize("name", ["GetProject", "UpdateProject"])
async def test_an_unknown_project_is_not_found(site: Any, name: str) -> None:
    fields = {"id": "nope"} if name == "GetProject" else {"project": {"id": "nope"}}
    assert (await site.refused("ProjectService", name, **fields)).code == "not_found"


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 64, "ünï"])
async def test_a_project_with_an_impossible_name_is_refused(site: Any, name: str) -> None:
    assert (await site.refused("ProjectService", "CreateProject", project={"id": name})).code == "invalid_argument"


async def test_there_is_one_cluster_one_user_and_no_sign_in(site: Any) -> None:
    assert not (await site.call("ClusterService", "SelectCluster", operation=1)).cluster_endpoint
    assert (await site.call("IdentityService", "UserInfo")).subject
    for name in ("GetOAuth2Metadata", "GetPublicClientConfig"):
        assert (await site.refused("AuthMetadataService", name)).code == "unimplemented"


async def test_a_method_that_is_not_offered_is_unimplemented(site: Any) -> None:
    assert (await site.refused("RunService", "SignalEvent")).code == "unimplemented"
    url = f"{site.plane.url}/flyteidl2.secret.SecretService/GetSecret"
    response = await pyqwest.Client().post(url, headers={"content-type": "application/proto"}, content=b"")
    assert response.status == 404


@pytest.mark.parametrize(
    "executable", ["relative/python", "/nowhere/python", "/etc/passwd", "/tmp", "/bin/true", "/dev/null", "/a\nb"]
)
async def test_what_is_no_interpreter_of_this_user_is_not_registered(site: Any, executable: str) -> None:
    error = await site.refused("SystemService", "RegisterInterpreter", executable=executable)
    assert error.code in ("failed_precondition", "invalid_argument")


async def test_a_handler_that_fails_answers_internal_without_its_traceback(
    site: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: RunService, action: Any) -> None:
        raise KeyError("the secret detail")

    monkeypatch.setattr(RunService, "_row", broken)
    error = await site.refused("RunService", "GetRunDetails", run_id=make.run_id("x"))
    assert error.code == "internal" and "secret detail" not in error.message
    with pytest.raises(RpcError) as caught:
        await anext(site.stream("RunService", "WatchActions", run_id=make.run_id("x")))
    assert caught.value.code == "internal"
