"""Bad input: each a clear sentence on stderr, nothing on stdout, and a non-zero exit."""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from tests.conftest import Backend

SCRIPT = str(pathlib.Path(sys.executable).parent / "flyte")
"""The installed command: unlike `python -m`, it does not put the working directory on `sys.path`."""


def flyte(*args: str, cwd: pathlib.Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The command without any configuration."""
    return subprocess.run(
        [SCRIPT, *args],
        cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess[str], *words: str, code: int = 1) -> None:
    """The command failed with a sentence that has these words, and with nothing else."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


class WebSite(http.server.BaseHTTPRequestHandler):
    """A program that answers every request, in another protocol."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


HEAD = "import flyte\nenv = flyte.TaskEnvironment(name='e')\n"


@pytest.fixture
def here(tmp_path: pathlib.Path, flyte_home: pathlib.Path) -> pathlib.Path:
    """An empty folder for programs, and a home without a backend."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def test_a_missing_file(here: pathlib.Path, flyte_home: pathlib.Path) -> None:
    for verb in ("run", "deploy"):
        refused(flyte(verb, "nothere.py", "main", cwd=here), "File nothere.py does not exist.")
    assert not (flyte_home / "backend").exists()


def test_a_folder_a_text_file_and_a_file_elsewhere(here: pathlib.Path) -> None:
    (here / "notes.txt").touch()
    (here.parent / "elsewhere.py").touch()
    refused(flyte("run", ".", "main", cwd=here), "is a folder")
    refused(flyte("run", "notes.txt", "main", cwd=here), "notes.txt is not a Python file")
    refused(flyte("run", "../elsewhere.py", "main", cwd=here), "outside the root folder", "--root-dir")


def test_a_syntax_error_is_named_with_file_and_line(here: pathlib.Path) -> None:
    (here / "broken.py").write_text(HEAD + "def f(:\n    pass\n")
    refused(flyte("run", "broken.py", "f", cwd=here), "Syntax error in ", "broken.py, line 3", "def f(:")
    (here / "imports.py").write_text("import broken\n")
    refused(flyte("deploy", "imports.py", "env", cwd=here), "broken.py, line 3")


def test_an_import_error_names_line_module_and_interpreter(here: pathlib.Path) -> None:
    (here / "imports.py").write_text(HEAD + "import not_to_be_found\n")
    done = flyte("run", "imports.py", "f", cwd=here)
    refused(done, "imports.py, line 3", "'not_to_be_found'", sys.executable)


def test_an_error_in_an_imported_file_names_the_users_innermost_line(here: pathlib.Path) -> None:
    (here / "inner.py").write_text("import json\n\njson.loads('{')\n")
    (here / "outer.py").write_text("import inner\n")
    refused(flyte("run", "outer.py", "f", cwd=here), "inner.py, line 3: JSONDecodeError")


def test_a_module_that_exits(here: pathlib.Path) -> None:
    (here / "exits.py").write_text("import sys\nsys.exit(3)\n")
    refused(flyte("run", "exits.py", "f", cwd=here), "exits.py, line 2", "sys.exit(3)")


def test_a_file_with_the_name_of_a_loaded_module(here: pathlib.Path) -> None:
    (here / "json.py").write_text(HEAD)
    refused(flyte("run", "json.py", "f", cwd=here), "module 'json'", "Rename the file")
    (here / "flyte.py").write_text("raise SystemExit('never')")
    refused(flyte("run", "flyte.py", "f", cwd=here), "module 'flyte'", "Rename the file")


TASKS = (
    HEAD
    + """
@env.task
def greet(name: str, times: int = 1) -> str:
    return name * times

@env.task
def promises_nothing(a: str):
    return a
"""
)


@pytest.fixture
def tasks(here: pathlib.Path) -> pathlib.Path:
    """A folder with `tasks.py`."""
    (here / "tasks.py").write_text(TASKS)
    return here


def test_an_unknown_task_lists_the_known_ones_and_the_nearest(tasks: pathlib.Path) -> None:
    done = flyte("run", "--local", "tasks.py", "gret", "--name", "x", cwd=tasks)
    refused(done, "no task 'gret' in tasks.py", "Did you mean 'greet'?", "There are: greet, promises_nothing.")


def test_missing_unknown_and_ill_typed_inputs(tasks: pathlib.Path) -> None:
    command = ("run", "--local", "tasks.py", "greet")
    refused(flyte(*command, cwd=tasks), "Missing required inputs: --name (str).")
    done = flyte(*command, "--name", "x", "--time", "3", cwd=tasks)
    refused(done, "The task greet has no input --time.", "Did you mean --times?", "Its inputs: --name, --times")
    done = flyte(*command, "--name", "x", "--times", "many", cwd=tasks)
    refused(done, "Input --times 'many' must be a whole number.")
    refused(flyte(*command, "--name", cwd=tasks), "'--name' requires an argument", code=2)
    refused(flyte(*command, "x", cwd=tasks), "unexpected extra argument", code=2)


@pytest.mark.parametrize("option", [["--follow"], ["--project", "p"], ["--copy_style", "none"], ["--local"]])
def test_an_option_of_ours_after_the_task_gets_a_hint(tasks: pathlib.Path, option: list[str]) -> None:
    for args in (["tasks.py", "greet", *option], ["tasks.py", *option, "greet"]):
        done = flyte("run", *args, "--name", "x", cwd=tasks)
        dashed = option[0].replace("copy_style", "copy-style")
        refused(done, f"{dashed} is an option of `flyte run`", "write it before", code=2)
    done = flyte("run", "tasks.py", "greet", "--endpoint", "x", cwd=tasks)
    refused(done, "--endpoint is an option of `flyte`", code=2)


def test_a_task_without_a_return_annotation_that_returns_a_value(backend: Backend, tasks: pathlib.Path) -> None:
    done = backend.cli("run", "--local", "tasks.py", "promises_nothing", "--a", "x", cwd=tasks)
    refused(done, "returned a str", "return annotation", "-> str")
    done = backend.cli("run", "tasks.py", "promises_nothing", "--a", "x", cwd=tasks)
    refused(done, "returned a str", "return annotation", "-> str")


def test_two_environments_of_one_name(here: pathlib.Path) -> None:
    (here / "twice.py").write_text(HEAD + "other = flyte.TaskEnvironment(name='e')\n\n@env.task\ndef f() -> int: ...\n")
    for args in (("run", "twice.py", "f"), ("run", "--local", "twice.py", "f"), ("deploy", "twice.py", "env")):
        refused(flyte(*args, cwd=here), "Duplicate environment name 'e'", "env and other")


def test_a_wrong_environment_variable_lists_the_right_ones(tasks: pathlib.Path) -> None:
    done = flyte("deploy", "tasks.py", "evn", cwd=tasks)
    refused(done, "no environment variable 'evn' in tasks.py", "Did you mean 'env'?", "There are: env.")
    refused(
        flyte("deploy", "tasks.py", "e", cwd=tasks), "'e' is the name of an environment", "flyte deploy tasks.py env"
    )
    refused(flyte("deploy", "tasks.py", "greet", cwd=tasks), "'greet' is a task", "flyte deploy tasks.py env")


def test_flags_of_deploy_that_come_later(tasks: pathlib.Path) -> None:
    for option in ("--all", "--recursive", "--ignore_load_errors"):
        done = flyte("deploy", option, "tasks.py", cwd=tasks)
        refused(done, option.replace("_", "-"), "docs/compatibility.md")


def test_a_copy_style_without_code_needs_a_version(backend: Backend, tasks: pathlib.Path) -> None:
    refused(backend.cli("deploy", "--copy-style", "none", "tasks.py", "env", cwd=tasks), "Version is required")


def test_no_backend_runs_here(here: pathlib.Path) -> None:
    for args in (("get", "run"), ("get", "task", "x"), ("abort", "run", "x"), ("whoami",)):
        refused(flyte(*args, cwd=here), "No backend runs on this machine", "flyte start backend --detach", code=5)


def test_nothing_answers_at_the_configured_address(here: pathlib.Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        done = flyte("--endpoint", address, "--insecure", "get", "run", "-p", "p", "-d", "d", cwd=here)
    refused(done, f"No backend answers at http://{address}", code=5)


def test_an_address_that_is_none(here: pathlib.Path) -> None:
    refused(flyte("--endpoint", "ftp://x", "get", "run", cwd=here), "must be host:port")


def test_a_backend_of_another_version(backend: Backend, tasks: pathlib.Path) -> None:
    file = backend.data / "backend.json"
    record = file.read_text()
    file.write_text(json.dumps({**json.loads(record), "version": "0.0.1"}))
    try:
        for args in (("get", "run"), ("run", "tasks.py", "greet", "--name", "x"), ("start", "backend", "--detach")):
            done = flyte(*args, cwd=tasks, FLYTE_HOME=str(backend.home))
            # The configuration file of the fixture names an address; without one the record is what counts.
            refused(done, "has version 0.0.1", "flyte stop backend && flyte start backend --detach")
    finally:
        file.write_text(record)


@pytest.fixture(autouse=True)
def no_configuration(backend: Backend) -> Any:
    """The backend's home without a configuration file in it, for clients that look only into `backend.json`."""
    kept = backend.home / "kept.yaml"
    if backend.config.parent == backend.home and backend.config.exists():
        backend.config.rename(kept)
        backend.config = kept
    return None


def test_one_version_with_other_content(backend: Backend, tasks: pathlib.Path) -> None:
    first = backend.cli("deploy", "--version", "v1", "tasks.py", "env", cwd=tasks)
    assert first.returncode == 0, first.stderr
    again = backend.cli("deploy", "--version", "v1", "tasks.py", "env", cwd=tasks)
    assert again.returncode == 0 and "unchanged" in again.stdout
    (tasks / "tasks.py").write_text(TASKS.replace("times: int = 1", "times: int = 2"))
    done = backend.cli("deploy", "--version", "v1", "tasks.py", "env", cwd=tasks)
    refused(done, "e.greet", "in version v1 with different content", "differs. Give another version.")


def test_a_taken_port(here: pathlib.Path, flyte_home: pathlib.Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = flyte("start", "backend", "--port", port, cwd=here)
        refused(done, f"Port {port} of 127.0.0.1 is taken by another program", "--port")
        done = flyte("start", "backend", "--detach", "--port", port, cwd=here)
        assert done.returncode == 1
        assert "The backend did not start" in done.stderr and f"Port {port}" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_port_that_is_none(here: pathlib.Path) -> None:
    refused(flyte("start", "backend", "--port", "70000", cwd=here), "70000", code=2)


def test_an_address_beyond_this_machine(here: pathlib.Path) -> None:
    refused(flyte("start", "backend", "--host", "0.0.0.0", cwd=here), "Only loopback addresses are possible")


def test_a_second_server_on_one_data_folder(backend: Backend, here: pathlib.Path) -> None:
    done = flyte("start", "backend", "--data", str(backend.data), "--port", "0", cwd=here)
    refused(done, "runs already", backend.url, "flyte stop backend")
    done = subprocess.run(
        [sys.executable, "-m", "flyte.server", "--data", str(backend.data), "--port", "0"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    refused(done, "Another backend uses the data folder", "flyte stop backend")


def test_an_unknown_project_comes_with_the_command_that_creates_it(backend: Backend, tasks: pathlib.Path) -> None:
    for args in (
        ("run", "--project", "new", "tasks.py", "greet", "--name", "x"),
        ("deploy", "--project", "new", "tasks.py", "env"),
        ("get", "project", "new"),
    ):
        refused(backend.cli(*args, cwd=tasks), "'new'", "flyte create project --id new")


def test_a_taken_run_name(backend: Backend, tasks: pathlib.Path) -> None:
    command = ("run", "--name", "taken", "tasks.py", "greet", "--name")
    assert backend.cli(*command, "x", cwd=tasks).returncode == 0
    refused(backend.cli(*command, "y", cwd=tasks), "taken", "already")


def test_a_run_name_that_cannot_be(backend: Backend, tasks: pathlib.Path) -> None:
    done = backend.cli("run", "--name", "Not A Name", "tasks.py", "greet", "--name", "x", cwd=tasks)
    refused(done, "'Not A Name' is not a valid name")


def test_a_broken_configuration_file(here: pathlib.Path) -> None:
    config = here / "broken.yaml"
    config.write_text("admin: [unclosed\n")
    refused(flyte("-c", str(config), "get", "run", cwd=here), "broken.yaml is not valid YAML", "line")
    config.write_text("- a\n- list\n")
    refused(flyte("-c", str(config), "get", "run", cwd=here), "must hold sections")
    config.write_text("admin: {endpoint: 'x:1', insecure: perhaps}\n")
    refused(flyte("-c", str(config), "get", "run", cwd=here), "admin.insecure must be true or false")
    config.write_text("admin: {endpoint: 'x:1', rpcRetries: many}\n")
    refused(flyte("-c", str(config), "get", "run", cwd=here), "admin.rpcRetries must be a whole number")
    config.write_text("image: {image_refs: [a]}\n")
    refused(flyte("-c", str(config), "get", "config", cwd=here), "image.image_refs must be a mapping")
    refused(flyte("-c", "absent.yaml", "get", "run", cwd=here), "absent.yaml does not exist")


def test_words_that_are_no_command(here: pathlib.Path) -> None:
    refused(flyte("gett", cwd=here), "no command 'gett'. Did you mean get?", code=2)
    refused(flyte("get", "runs", cwd=here), "no command 'runs'. Did you mean run?", code=2)
    refused(flyte("get", "run", "--nope", cwd=here), "--nope", code=2)


def test_a_python_of_tasks_that_is_no_program(here: pathlib.Path, flyte_home: pathlib.Path) -> None:
    refused(flyte("start", "backend", "--task-python", "nopython", cwd=here), "--task-python nopython is no program")
    assert not (flyte_home / "backend").exists()


def test_a_home_that_cannot_be_made(here: pathlib.Path, tasks: pathlib.Path) -> None:
    (here / "file").touch()
    home = str(here / "file" / "home")
    for args in (("run", "tasks.py", "greet", "--name", "x"), ("start", "backend"), ("start", "backend", "--detach")):
        refused(flyte(*args, cwd=tasks, FLYTE_HOME=home), "home/backend cannot be made", "Set FLYTE_HOME")


def test_durations_and_times_beyond_the_calendar(here: pathlib.Path) -> None:
    (here / "spans.py").write_text(
        HEAD + "import datetime\n\n@env.task\ndef f(span: datetime.timedelta) -> None: ...\n"
    )
    done = flyte("run", "--local", "spans.py", "f", "--span", "999999999999 days", cwd=here)
    refused(done, "Input --span '999999999999 days' must be a duration")
    refused(flyte("get", "run", "--created-after", "now - 1e20 s", cwd=here), "must be a duration", code=2)


def test_the_first_moment_of_the_calendar_is_one(backend: Backend) -> None:
    done = backend.cli("get", "run", "--created-after", "0001-01-01", "--limit", "1")
    assert done.returncode == 0, done.stderr


def test_options_that_are_no_pairs_or_times(here: pathlib.Path, backend: Backend, tasks: pathlib.Path) -> None:
    done = backend.cli("run", "--env", "NOVALUE", "tasks.py", "greet", "--name", "x", cwd=tasks)
    refused(done, "--env 'NOVALUE' must be KEY=VALUE.")
    refused(backend.cli("get", "run", "--created-after", "soon"), "'soon' must be an ISO date", code=2)


def test_what_does_not_exist_on_the_backend(backend: Backend) -> None:
    refused(backend.cli("get", "run", "nope"), "no run nope in flytesnacks/development")
    refused(backend.cli("abort", "run", "nope"), "no run nope")
    refused(backend.cli("get", "logs", "nope"), "nope")
    refused(backend.cli("get", "io", "nope"), "nope")
    refused(backend.cli("get", "action", "nope", "a0"), "nope")
    refused(backend.cli("get", "task", "no.task"), "no deployed task 'no.task'")
    for word in ("deployed-task", "deployed_task"):
        refused(backend.cli("run", word, "no.task"), "no deployed task 'no.task'", "flyte deploy")


def test_a_version_that_is_not_deployed_comes_with_those_that_are(backend: Backend, tasks: pathlib.Path) -> None:
    assert backend.cli("deploy", "--version", "first", "tasks.py", "env", cwd=tasks).returncode == 0
    done = backend.cli("run", "deployed-task", "e.greet:fist", "--name", "x")
    refused(done, "no version of task e.greet 'fist'", "Did you mean 'first'?")


def test_a_local_run_cannot_be_left_behind(tasks: pathlib.Path) -> None:
    done = flyte("run", "--local", "--detach", "tasks.py", "greet", "--name", "x", cwd=tasks)
    refused(done, "leave out --detach, or --local")


def test_what_answers_is_no_backend(here: pathlib.Path, tasks: pathlib.Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), WebSite) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{site.server_port}"
        for args in (("get", "run"), ("get", "logs", "x"), ("run", "tasks.py", "greet", "--name", "x")):
            variables = {"FLYTE_TASK_PROJECT": "p", "FLYTE_TASK_DOMAIN": "d"}
            done = flyte("--endpoint", address, "--insecure", *args, cwd=tasks, **variables)
            refused(done, f"What answers at http://{address} is no Flyte backend", "admin.endpoint")
        site.shutdown()
