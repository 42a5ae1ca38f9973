"""`flyte deploy`, `get`, `create`, `abort`, `whoami`: tables for people, JSON for programs."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import yaml

from tests.conftest import Backend


def json_of(backend: Backend, *args: str, **options: Any) -> Any:
    """What a command says with `-o json` before the verb."""
    done = backend.cli("-o", "json", *args, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def finished(backend: Backend, project: pathlib.Path) -> str:
    """A run that is over."""
    done = backend.cli("run", "--name", "finished", "--label", "team=a", "shop.py", "main", "--n", "2", cwd=project)
    assert done.returncode == 0, done.stderr
    return "finished"


def test_deploy_prints_a_row_for_each_task_and_the_summary(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("deploy", "--version", "v1", "shop.py", "env", cwd=project)
    assert done.returncode == 0, done.stderr
    assert any(line.split()[:3] == ["task", "shop.main", "v1"] for line in done.stdout.splitlines())
    assert "Deployment(envs=[Deployment(env=[shop], entities=[DeployedTask(name=shop." in done.stdout
    again = json_of(backend, "deploy", "--version", "v1", "shop.py", "env", cwd=project)
    assert {task["status"] for task in again["tasks"]} == {"unchanged"}
    dry = json_of(backend, "deploy", "--dry_run", "shop.py", "env", cwd=project)
    assert {task["status"] for task in dry["tasks"]} == {"not sent"}
    listed = backend.cli("deploy", "shop.py", "--help", cwd=project)
    assert "env" in listed.stdout and listed.returncode == 0


def test_runs_are_listed_filtered_and_shown(backend: Backend, finished: str) -> None:
    (row,) = json_of(backend, "get", "run", "--with-label", "team=a", "--in-phase", "succeeded", "--limit", "5")
    assert (row["name"], row["task"], row["phase"], row["labels"]) == (
        finished,
        "shop.main",
        "succeeded",
        {"team": "a"},
    )
    assert finished in {row["name"] for row in json_of(backend, "get", "run", "--only-mine")}
    assert json_of(backend, "get", "run", "--only-mine", "--task-name", "no.task") == []
    assert json_of(backend, "get", "run", "--created-before", "now - 1 hour") == []
    assert json_of(backend, "get", "run", "--task-name", "no.task") == []
    assert json_of(backend, "get", "run", "--in-phase", "timed_out", "--in-phase", "timed-out") == []
    assert json_of(backend, "get", "run", "--project", "flytesnacks", "-d", "staging") == []
    shown = json_of(backend, "get", "run", finished)
    assert shown["phase"] == "succeeded" and shown["attempts"] == 1 and shown["url"].startswith(backend.url)
    table = backend.cli("get", "run").stdout.splitlines()
    assert table[0].split()[:4] == ["NAME", "TASK", "VERSION", "PHASE"]
    assert any(line.startswith(finished) for line in table)
    simple = backend.cli("--output-format", "table-simple", "get", "run").stdout.splitlines()
    assert simple[0].split("\t")[:2] == ["name", "task"]


@pytest.mark.parametrize(
    "place", [["-o", "json", "get", "run"], ["get", "-o", "json", "run"], ["get", "run", "-o", "json"]]
)
def test_json_may_be_asked_for_before_and_after_the_verb(backend: Backend, finished: str, place: list[str]) -> None:
    assert finished in {row["name"] for row in json.loads(backend.cli(*place).stdout)}


def test_actions_io_and_logs(backend: Backend, finished: str) -> None:
    actions = json_of(backend, "get", "action", finished)
    assert [(row["task"], row["parent"]) for row in actions] == [
        ("shop.main", None),
        ("shop.square", "a0"),
        ("shop.square", "a0"),
    ]
    child = json_of(backend, "get", "action", finished, actions[1]["name"])
    assert child["run"] == finished and child["phase"] == "succeeded"
    io = json_of(backend, "get", "io", finished)
    assert io == {"inputs": {"n": 2, "debug": False, "input_path": "here"}, "outputs": {"o0": 1}}
    children = [json_of(backend, "get", "io", finished, action["name"], "-i") for action in actions[1:]]
    assert sorted(child["inputs"]["x"] for child in children) == [0, 1] and "outputs" not in children[0]
    assert json.loads(backend.cli("get", "io", finished, "-o", "-of", "json").stdout) == {"outputs": {"o0": 1}}
    text = backend.cli("get", "logs", finished).stdout
    assert text.splitlines()[-1] == "n=2 debug=False input_path=here"
    assert backend.cli("get", "logs", finished, "--lines", "0").stdout == ""
    assert json_of(backend, "get", "logs", finished, "-l", "1") == ["n=2 debug=False input_path=here"]


def test_tasks(backend: Backend, project: pathlib.Path) -> None:
    for version in ("t1", "t2"):
        assert backend.cli("deploy", "--version", version, "shop.py", "env", cwd=project).returncode == 0
    assert {(row["name"], row["version"]) for row in json_of(backend, "get", "task")} >= {("shop.main", "t2")}
    newest = json_of(backend, "get", "task", "shop.main")
    assert newest["version"] == "t2" and newest["versions"][:2] == ["t2", "t1"]
    assert newest["inputs"]["n"] == "int (has a default)" and newest["description"].startswith("Sum squares.")
    assert json_of(backend, "get", "task", "shop.main", "t1")["version"] == "t1"
    unknown = backend.cli("get", "task", "shop.main", "t3")
    assert unknown.returncode == 1 and "There are: t2, t1" in unknown.stderr


def test_projects(backend: Backend) -> None:
    made = backend.cli("create", "project", "--id", "p1", "--description", "mine", "-l", "a=b")
    assert (made.returncode, made.stdout) == (0, "Created the project p1.\n")
    assert json_of(backend, "get", "project", "p1")["labels"] == {"a": "b"}
    assert {"flytesnacks", "p1"} <= {row["id"] for row in json_of(backend, "get", "project")}
    again = backend.cli("create", "project", "--id", "p1")
    assert again.returncode == 1 and "exists already" in again.stderr


def test_aborting_what_is_over_is_no_mistake(backend: Backend, finished: str) -> None:
    done = backend.cli("abort", "run", finished)
    assert (done.returncode, done.stdout) == (0, f"The run {finished} is over already: succeeded.\n")
    assert json_of(backend, "abort", "action", finished, "a0") == {"aborted": False, "phase_before": "succeeded"}


def test_who_one_is(backend: Backend) -> None:
    said = json_of(backend, "whoami")
    assert said["endpoint"] == backend.url and said["subject"]


def test_the_configuration_is_shown_without_its_secret(backend: Backend) -> None:
    done = backend.cli(
        "-o", "json", "get", "config", FLYTE_ADMIN_CLIENTSECRETENVVAR="MY_SECRET", MY_SECRET="hidden-value"
    )
    data = json.loads(done.stdout)
    assert data["task"]["project"] == "flytesnacks" and data["platform"]["client_credentials_secret"] == "(set)"
    assert "hidden-value" not in done.stdout + backend.cli("get", "config").stdout


def test_a_configuration_file_is_written_once(backend: Backend, tmp_path: pathlib.Path) -> None:
    done = backend.cli("create", "config", "--endpoint", "my.host.example.com", "-p", "p", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file = tmp_path / ".flyte" / "config.yaml"
    assert yaml.safe_load(file.read_text()) == {
        "admin": {"endpoint": "dns:///my.host.example.com"},
        "image": {"builder": "local"},
        "task": {"org": "my", "project": "p"},
    }
    kept = file.read_text()
    refused = backend.cli("create", "config", "--devbox", cwd=tmp_path)
    assert refused.returncode == 1 and "--force" in refused.stderr and file.read_text() == kept
    options = ("--force", "--auth_type", "client_secret", "--local-persistence", "--registry", "r.io/x")
    assert backend.cli("create", "config", "--devbox", *options, cwd=tmp_path).returncode == 0
    assert file.read_text().splitlines() == [
        "admin:", "  authType: ClientSecret", "  endpoint: dns:///localhost:30080", "  insecure: true",
        "image:", "  builder: local", "  registry: r.io/x",
        "local:", "  persistence: true",
        "task:", "  domain: development", "  project: flytesnacks",
    ]  # fmt: skip


def test_configurations_that_cannot_be(backend: Backend, tmp_path: pathlib.Path) -> None:
    both = backend.cli("create", "config", "--devbox", "--endpoint", "x:1", cwd=tmp_path)
    assert both.returncode == 2 and "give one or the other" in both.stderr
    nothing = backend.cli("create", "config", cwd=tmp_path)
    assert nothing.returncode == 1 and "nothing to write" in nothing.stderr
    scheme = backend.cli("create", "config", "--endpoint", "ftp://x", cwd=tmp_path)
    assert scheme.returncode == 1 and "must be host:port" in scheme.stderr
    assert list(tmp_path.iterdir()) == []
