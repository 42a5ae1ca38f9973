"""`flyte.run` and the handles of `flyte.remote` against a real backend."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time
from typing import Any

import pytest

import flyte
import flyte.errors
import flyte.remote

HERE = pathlib.Path(__file__).parent


@pytest.fixture(autouse=True)
def connected(backend: Any) -> None:
    flyte.init_from_config(backend.config, root_dir=HERE)


def _git(folder: pathlib.Path, *args: str) -> None:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *who, *args], cwd=folder, check=True, capture_output=True)


def test_a_run_gives_its_outputs_and_tells_where_it_is(pipeline: Any) -> None:
    run = flyte.run(pipeline.main, n=3)
    assert run.url.endswith(f"/v2/domain/development/project/flytesnacks/runs/{run.name}")
    run.wait()
    assert run.outputs()[0] == pipeline.Report(total=6, parts=[0, 2, 4])
    assert run.outputs().o0.total == 6
    assert run.status == "SUCCEEDED"
    assert run.phase == flyte.models.ActionPhase.SUCCEEDED
    assert run.done()
    assert str(run) == str(pipeline.Report(total=6, parts=[0, 2, 4]))
    assert "succeeded" in repr(run)


def test_str_of_a_run_waits_for_its_value(pipeline: Any) -> None:
    assert str(flyte.run(pipeline.add_one, x=41)) == "42"


def test_repr_of_a_run_never_waits(pipeline: Any) -> None:
    run = flyte.run(pipeline.sleeps, seconds=30.0)
    began = time.monotonic()
    assert run.name in repr(run)
    assert time.monotonic() - began < 5
    run.abort()


async def test_on_a_running_loop_the_asynchronous_forms_are_used(pipeline: Any) -> None:
    run = await flyte.run.aio(pipeline.add_one, x=1)
    assert str(run) in (f"{run.name} RUNNING", "2")
    await run.wait.aio()
    assert (await run.outputs.aio())[0] == 2


def test_synchronous_tasks_call_and_map_synchronous_tasks(pipeline: Any) -> None:
    assert flyte.run(pipeline.sync_main, n=3).outputs()[0] == [4, 1, 2, 3]


def test_several_outputs_are_a_tuple(pipeline: Any) -> None:
    run = flyte.run(pipeline.two)
    assert tuple(run.outputs()) == (1, "b")
    assert run.outputs().o1 == "b"
    assert str(run) == "(1, 'b')"


def test_a_task_without_outputs_gives_none(pipeline: Any) -> None:
    assert tuple(flyte.run(pipeline.nothing).outputs()) == (None,)


def test_a_failure_is_raised_by_outputs_and_told_by_str(pipeline: Any) -> None:
    run = flyte.run(pipeline.fails, message="bad thing")
    run.wait()
    assert run.status == "FAILED"
    with pytest.raises(flyte.errors.RuntimeUserError) as caught:
        run.outputs()
    assert (caught.value.code, caught.value.kind, str(caught.value)) == ("ValueError", "user", "bad thing")
    assert str(run) == f"{run.name} FAILED: ValueError: bad thing"


def test_a_childs_failure_can_be_caught_in_its_parent(pipeline: Any) -> None:
    assert flyte.run(pipeline.catches, message="bad thing").outputs()[0] == "ValueError: bad thing"


def test_a_failed_attempt_is_tried_again_in_its_own_attempt(pipeline: Any) -> None:
    run = flyte.run(pipeline.flaky, marker="x")
    assert run.outputs()[0] == 2
    details = run.details().action_details
    assert details.attempts == 3
    assert [attempt.error_info.code for attempt in details.pb2.attempts] == ["RuntimeError", "RuntimeError", ""]
    assert list(run.get_logs(attempt=3)) == ["attempt 2\n"]


def test_a_task_knows_its_context(pipeline: Any) -> None:
    run = flyte.with_runcontext(env_vars={"RUN_VARIABLE": "set"}, labels={"team": "a"}, name="known-name").run(
        pipeline.context
    )
    told = run.outputs()[0]
    assert told == {
        "action": "a0",
        "run": "known-name",
        "project": "flytesnacks",
        "domain": "development",
        "variable": "yes",
        "run_variable": "set",
        "custom": "",
    }
    assert flyte.remote.Run.get("known-name").labels == {"team": "a"}


def test_custom_context_reaches_children(pipeline: Any) -> None:
    assert flyte.run(pipeline.passes_context).outputs()[0] == "from the parent"


def test_a_taken_name_is_refused(pipeline: Any) -> None:
    flyte.with_runcontext(name="taken").run(pipeline.add_one, x=1)
    with pytest.raises(flyte.errors.RuntimeUserError, match="exists already") as caught:
        flyte.with_runcontext(name="taken").run(pipeline.add_one, x=2)
    assert caught.value.code == "RunAlreadyExistsError"


def test_inputs_and_details_are_told(pipeline: Any) -> None:
    run = flyte.run(pipeline.main, n=2)
    run.wait()
    assert dict(run.inputs()) == {"n": 2}
    actions = list(flyte.remote.Action.listall(for_run_name=run.name))
    assert {action.task_name for action in actions} == {"pipeline_env.main", "pipeline_env.double"}
    assert [action.group for action in actions if action.parent_name] == ["doubling", "doubling"]
    assert run.typed_outputs({"o0": dict})["o0"]["total"] == 2


def test_logs_are_kept_and_read_in_order(pipeline: Any) -> None:
    run = flyte.run(pipeline.main, n=1)
    run.wait()
    assert list(run.get_logs()) == ["main begins\n"]
    (child,) = [a for a in flyte.remote.Action.listall(for_run_name=run.name) if a.parent_name]
    assert list(child.get_logs()) == ["doubling 0\n"]


def test_abort_ends_children_too(pipeline: Any) -> None:
    run = flyte.run(pipeline.sleeping_children, n=3, seconds=60.0)
    run.wait(wait_for="running")
    deadline = time.monotonic() + 30
    while len(list(flyte.remote.Action.listall(for_run_name=run.name))) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    run.abort("enough")
    run.wait()
    assert run.status == "ABORTED"
    phases = {action.phase.value for action in flyte.remote.Action.listall(for_run_name=run.name)}
    assert phases == {"aborted"}
    assert str(run).endswith("ABORTED: ActionAbortedError: " + f"{run.name} was aborted: enough")


def test_runs_are_listed_by_phase_task_and_label(pipeline: Any) -> None:
    flyte.with_runcontext(labels={"kind.of/run": "special-1"}).run(pipeline.add_one, x=1).wait()
    flyte.run(pipeline.fails, message="no").wait()
    listed = [run.name for run in flyte.remote.Run.listall(in_phase=("failed",), task_name="pipeline_env.fails")]
    assert listed
    special = list(flyte.remote.Run.listall(with_labels={"kind.of/run": "special-1"}))
    assert len(special) == 1
    assert next(iter(flyte.remote.Run.listall(with_label_keys=["kind.of/run"]))).name == special[0].name


def test_deployed_tasks_run_by_name_handle_and_version(pipeline: Any) -> None:
    (deployment,) = flyte.deploy(pipeline.env, version="v1.0.0")
    summary = deployment.summary_repr()
    assert summary.startswith("Deployment(envs=[Deployment(env=[pipeline_env], entities=[DeployedTask(name=pipeline_")
    assert str(flyte.run("pipeline_env.add_one", x=1)) == "2"
    handle = flyte.remote.Task.get("pipeline_env.add_one", version="v1.0.0")
    assert flyte.run(handle, x=2).outputs()[0] == 3
    latest = flyte.remote.Task.get("pipeline_env.main", auto_version="latest")
    assert flyte.run(latest).outputs()[0]["total"] == 6
    names = {task.name for task in flyte.remote.Task.listall()}
    assert {"pipeline_env.add_one", "pipeline_env.main"} <= names


def test_a_task_calls_deployed_tasks_as_its_children(pipeline: Any) -> None:
    (deployment,) = flyte.deploy(pipeline.env)
    run = flyte.run("pipeline_env.calls_deployed")
    assert run.outputs()[0] == [2, 42]
    versions = {
        action.task_name: action.pb2.metadata.task.id.version
        for action in flyte.remote.Action.listall(for_run_name=run.name)
    }
    assert versions["pipeline_env.double"] == deployment.version


def test_a_deployed_task_is_called_by_keyword_only(pipeline: Any) -> None:
    flyte.deploy(pipeline.env)
    run = flyte.run("pipeline_env.calls_deployed_by_position")
    with pytest.raises(flyte.errors.RuntimeUserError, match="keyword arguments only") as caught:
        run.outputs()
    assert caught.value.code == "RemoteTaskUsageError"


def test_deploying_again_is_unchanged_and_another_version_is_another(pipeline: Any) -> None:
    (first,) = flyte.deploy(pipeline.env)
    (second,) = flyte.deploy(pipeline.env)
    assert first.version == second.version
    assert all(not task.is_new for env in second.envs.values() for task in env.deployed_entities)


def test_the_same_code_in_another_commit_is_the_same_version(backend: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import flyte\nenv = flyte.TaskEnvironment(name='committed')\n@env.task\ndef main() -> int:\n    return 1\n"
    )

    def version_in_a_new_commit(message: str) -> str:
        _git(tmp_path, "commit", "--allow-empty", "-m", message)
        said = json.loads(backend.cli("-o", "json", "deploy", "shop.py", "env", cwd=tmp_path).stdout)
        return str(said["version"])

    _git(tmp_path, "init", "-b", "main")
    _git(tmp_path, "remote", "add", "origin", "https://github.com/acme/shop.git")
    _git(tmp_path, "add", "shop.py")
    assert version_in_a_new_commit("one") == version_in_a_new_commit("two")


def test_ephemeral_runs_do_not_appear_among_deployed_tasks(pipeline: Any, backend: Any) -> None:
    flyte.remote.Project.create(id="ephemeral", name="Ephemeral")
    flyte.init_from_config(backend.config, root_dir=HERE, project="ephemeral")
    assert flyte.run(pipeline.add_one, x=1).outputs()[0] == 2
    assert list(flyte.remote.Task.listall()) == []


def test_an_unknown_project_is_told_with_the_command_that_makes_it(pipeline: Any, backend: Any) -> None:
    flyte.init_from_config(backend.config, root_dir=HERE, project="nowhere")
    with pytest.raises(flyte.errors.FlyteError, match="flyte create project --id nowhere"):
        flyte.run(pipeline.add_one, x=1)


def test_an_unknown_task_is_told(pipeline: Any) -> None:
    with pytest.raises(flyte.errors.RemoteTaskNotFoundError, match=r"No task other_env\.nothing is deployed"):
        flyte.run("other_env.nothing")


def test_a_kept_result_is_used_again_whatever_ignored_inputs_say(pipeline: Any, tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "ran")
    assert flyte.run(pipeline.cached, x=7, note="first", path=path).outputs()[0] == 7
    run = flyte.run(pipeline.cached, x=7, note="second", path=path)
    assert run.outputs()[0] == 7
    assert pathlib.Path(path).read_text() == "ran\n"
    assert run.details().action_details.status.cache_status == 2
    fresh = flyte.with_runcontext(overwrite_cache=True).run(pipeline.cached, x=7, note="third", path=path)
    assert fresh.outputs()[0] == 7
    assert pathlib.Path(path).read_text() == "ran\nran\n"


def test_a_remote_task_that_asks_for_a_secret_fails_with_a_sentence(pipeline: Any) -> None:
    run = flyte.run(pipeline.needs_secret)
    run.wait()
    assert run.status == "FAILED"
    assert "keeps no secrets yet" in str(run)


def test_a_dry_run_sends_nothing_and_shows_what_it_would_send(pipeline: Any, tmp_path: pathlib.Path) -> None:
    run = flyte.with_runcontext(dry_run=True, copy_bundle_to=tmp_path).run(pipeline.main, n=3)
    assert run.task_spec.task_template.id.name == "pipeline_env.main"
    assert "pipeline.py" in run.code_bundle.files
    assert list(tmp_path.glob("fast*.tar.gz"))


def test_a_module_that_runs_while_a_task_imports_it_is_told(backend: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "unguarded.py").write_text(
        "import flyte\n"
        "env = flyte.TaskEnvironment(name='unguarded')\n"
        "@env.task\n"
        "def one() -> int: return 1\n"
        "flyte.init_from_config()\n"
        "run = flyte.run(one)\n"
        "run.wait()\n"
        "print(run)\n"
    )
    script = [sys.executable, "unguarded.py"]
    env = backend.env(FLYTECTL_CONFIG=str(backend.config))
    done = subprocess.run(script, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert "flyte.run was called while a task process imports the module" in done.stdout
    assert "if __name__ == '__main__':" in done.stdout
