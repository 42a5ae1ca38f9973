"""The official client, unmodified, on our backend; tasks are executed by our `a0`, then by the official one."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.compat.conftest import Official
from tests.conftest import Backend

PROGRAMS = pathlib.Path(__file__).parent / "programs"
PATIENCE_SECONDS = 60
_ABORTED = -signal.SIGABRT
"""On a busy machine the official client's HTTP library aborts the interpreter now and then after all is done; what it
printed by then is what counts."""


@dataclass(frozen=True)
class Client:
    """The official client with a backend and a folder of programs."""

    official: Official
    backend: Backend
    code: pathlib.Path

    def __call__(self, *argv: str, code: int = 0) -> str:
        """Run the CLI; gives what it prints, without colours."""
        done = self.official.run("flyte", "-c", str(self.backend.config), *argv, cwd=self.code)
        text = re.sub(r"\x1b\][^\\]*\\|\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        assert done.returncode in (code, _ABORTED), text[-3000:]
        return text

    def step(self, name: str, *arguments: str, ours: bool = False) -> Any:
        """Run a step of `steps.py` under the official SDK, or under ours."""
        argv = [
            str(pathlib.Path(self.code, "steps.py")), str(self.backend.config), str(self.code), name, *arguments
        ]  # fmt: skip
        if ours:
            done = subprocess.run(
                [sys.executable, *argv], cwd=self.code, env=self.backend.env(), capture_output=True, text=True,
                timeout=120, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        else:
            done = self.official.run("python", *argv, cwd=self.code)
        ends = (0,) if ours else (0, _ABORTED)
        assert done.returncode in ends, done.stdout[-2000:] + done.stderr[-3000:]
        return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module", params=["our-a0", "official-a0"])
def client(
    request: pytest.FixtureRequest, official: Official, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """The official client on a backend whose tasks run under our SDK, and on one where they run under the official."""
    options = ["--task-python", str(official.python)] if request.param == "official-a0" else []
    code = tmp_path_factory.mktemp("code")
    for program in ("flows.py", "exchange.py", "steps.py"):
        shutil.copy(PROGRAMS / program, code)
    backend = Backend(tmp_path_factory.mktemp("home"), options).start()
    yield Client(official, backend, code)
    backend.stop()


def _eventually(what: str, holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come about in {PATIENCE_SECONDS} s")


def _run_name(text: str) -> str:
    found = re.search(r"Created Run: (\S+)", text)
    assert found is not None, text[-2000:]
    return found[1]


def test_a_run_with_parallel_children_is_followed_to_its_end(client: Client) -> None:
    text = client("run", "--follow", "flows.py", "main", "--n", "3")
    assert "summing up to 3" in text
    name = _run_name(text)
    assert client.step("actions", name)["a0"] == "succeeded"
    assert sorted(client.step("actions", name).values()) == ["succeeded"] * 4


def test_runs_are_waited_for_and_give_outputs_errors_and_retries(client: Client) -> None:
    found = client.step("lifecycle")
    assert found["phases"] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert found["outputs"] == [[14], ["ValueError: bad thing 8"], [1]]
    assert found["inputs"] == {"n": 4}
    assert found["url"].endswith(f"/runs/{found['name']}")
    assert "bad thing 7" in client("get", "action", found["failed"], "a0")
    assert found["name"] in client("get", "run")
    assert "flows.main" in client("get", "run", found["name"])
    assert client("get", "action", found["name"]).lower().count("flows.square") >= 1
    assert "14" in client("get", "io", found["name"])
    assert "summing up to 4" in client("get", "logs", found["name"])


def test_tasks_are_deployed_once_and_run_by_name(client: Client) -> None:
    assert "Deployed task flows.main" in client("deploy", "flows.py", "env")
    assert "already exists" in client("deploy", "flows.py", "env")
    assert "flows.main" in client("get", "task")
    text = client("run", "--follow", "deployed-task", "flows.main", "--n", "2")
    assert "summing up to 2" in text
    assert client.step("actions", _run_name(text))["a0"] == "succeeded"


def test_the_user_and_the_projects_are_told(client: Client) -> None:
    assert "flytesnacks" in client("get", "project")
    assert client("whoami")


def test_aborting_a_run_aborts_its_children(client: Client, tmp_path: pathlib.Path) -> None:
    name = client.step("begin", str(tmp_path))["name"]
    _eventually("both children running", lambda: len(list(tmp_path.glob("started-*"))) == 2)
    client("abort", "run", name)
    found = _eventually(
        "the end of all",
        lambda: (a := client.step("actions", name)) and set(a.values()) == {"aborted"} and a,
    )
    assert len(found) == 3


def test_aborting_an_action_fails_its_parent_only(client: Client, tmp_path: pathlib.Path) -> None:
    name = client.step("begin", str(tmp_path))["name"]
    _eventually("both children running", lambda: len(list(tmp_path.glob("started-*"))) == 2)
    children = sorted(action for action in client.step("actions", name) if action != "a0")
    client("abort", "action", name, children[0])
    found = _eventually(
        "the failure of the parent", lambda: (a := client.step("actions", name))["a0"] == "failed" and a
    )
    assert found[children[0]] == "aborted"
    (tmp_path / "go").touch()


@pytest.mark.parametrize("ours", [False, True], ids=["their-client", "our-client"])
def test_tasks_are_executed_by_the_environment_that_the_backend_was_given(client: Client, ours: bool) -> None:
    prefix = client.step("environment", ours=ours)["prefix"]
    assert pathlib.Path(prefix) == (client.official.folder if client.backend.options else pathlib.Path(sys.prefix))


@pytest.mark.parametrize("ours", [False, True], ids=["their-client", "our-client"])
def test_values_and_bundles_of_either_sdk_are_read_by_the_other(client: Client, ours: bool) -> None:
    assert client.step("exchange", ours=ours) == {"phase": "succeeded", "outputs": 17, "absent": []}


def test_our_client_gets_what_the_official_one_gets(client: Client) -> None:
    found = client.step("lifecycle", ours=True)
    assert found["phases"] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert found["outputs"] == [[14], ["ValueError: bad thing 8"], [1]]
    assert found["inputs"] == {"n": 4}
