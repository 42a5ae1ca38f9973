"""`flyte run`: results on stdout alone, everything else on stderr, and an exit code that says how it ended."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import Backend


def run_name(stderr: str) -> str:
    """The name that `flyte run` said."""
    return next(line for line in stderr.splitlines() if line.startswith("Run ")).removeprefix("Run ")


def clean(text: str) -> bool:
    """True for text without anything that a terminal would obey."""
    return all(c in "\n\t" or c.isprintable() for c in text)


def test_a_run_prints_its_result_and_nothing_else_on_stdout(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("run", "shop.py", "main", "--n", "4", cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "14"
    name = run_name(done.stderr)
    assert f"{backend.url}/v2/domain/development/project/flytesnacks/runs/{name}" in done.stderr
    assert f"{name}  succeeded" in done.stderr
    assert "n=4" not in done.stdout + done.stderr


def test_json_is_all_there_is_on_stdout_although_the_module_prints(backend: Backend, project: pathlib.Path) -> None:
    for args in (("-o", "json", "run", "shop.py"), ("run", "-o", "json", "shop.py")):
        done = backend.cli(*args, "two", "--a", "x", cwd=project)
        assert json.loads(done.stdout) == {"o0": 1, "o1": "x"}
        assert "this module is loaded" in done.stderr


def test_json_is_all_there_is_on_stdout_of_a_local_run_whose_task_prints(
    backend: Backend, project: pathlib.Path
) -> None:
    done = backend.cli("-o", "json", "run", "--local", "shop.py", "show", "--n", "2", cwd=project)
    assert json.loads(done.stdout) == {"o0": "2 False here"}
    assert "a line of the task" in done.stderr


def test_several_outputs_are_a_tuple_and_none_are_nothing(backend: Backend, project: pathlib.Path) -> None:
    assert backend.cli("run", "shop.py", "two", "--a", "x", cwd=project).stdout.splitlines()[-1] == "(1, 'x')"
    done = backend.cli("run", "shop.py", "nothing", cwd=project)
    assert (done.returncode, done.stdout) == (0, "this module is loaded\n")


@pytest.mark.parametrize(
    ("spelling", "result"),
    [
        (["--debug", "--input_path", "a"], "'1 True a'"),
        (["--debug", "true", "--input-path", "a"], "'1 True a'"),
        (["--input_path=a", "--no-debug"], "'1 False a'"),
        (["--debug", "false"], "'1 False here'"),
    ],
)
def test_flags_dashes_and_underscores(
    backend: Backend, project: pathlib.Path, spelling: list[str], result: str
) -> None:
    done = backend.cli(
        "run", "--copy_style", "loaded_modules", "--local", "shop.py", "show", "--n", "1", *spelling, cwd=project
    )
    assert done.stdout.splitlines()[-1] == result


def test_following_shows_the_log_on_stderr(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("run", "--follow", "shop.py", "show", "--n", "2", cwd=project)
    assert "a line of the task" in done.stderr.splitlines()
    assert done.stdout.splitlines()[-1] == "'2 False here'"


def test_following_shows_every_attempt(backend: Backend, project: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = backend.cli("run", "-f", "shop.py", "second_time", "--path", str(tmp_path / "mark"), cwd=project)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines.index("first attempt") < lines.index("second attempt")


def test_a_failed_run_says_why_and_exits_1(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("run", "shop.py", "fail", "--message", "the reason", cwd=project)
    name = run_name(done.stderr)
    assert done.returncode == 1
    assert f"Error: {name} FAILED: ValueError: the reason" in done.stderr
    assert f"flyte get logs {name}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failed_run_is_json_too(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("-o", "json", "run", "shop.py", "fail", "--message", "the reason", cwd=project)
    said = json.loads(done.stdout)
    assert said == {"name": run_name(done.stderr), "phase": "failed", "code": "ValueError", "message": "the reason"}


def test_a_failed_local_run_shows_the_users_frames_and_exits_1(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("run", "--local", "shop.py", "fail", "--message", "the reason", cwd=project)
    assert done.returncode == 1
    assert "shop.py" in done.stderr and "ValueError: the reason" in done.stderr


def test_a_local_run_that_timed_out_exits_4(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("run", "--local", "shop.py", "too_slow", cwd=project)
    assert done.returncode == 4, done.stderr
    assert "MaxRuntimeExceededError" in done.stderr


def started(backend: Backend, project: pathlib.Path, path: pathlib.Path, *flags: str) -> subprocess.Popen[str]:
    """A `flyte run` of a task that waits for a file, in a process of its own."""
    command = [sys.executable, "-m", "flyte.cli.main", "-c", str(backend.config), "run", *flags]
    return subprocess.Popen(
        [*command, "shop.py", "wait_for", "--path", str(path)],
        cwd=project, env=backend.env(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def read_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """The lines of stderr up to one with the words."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line.rstrip("\n"))
        if words in line:
            return lines
    raise AssertionError(f"{words!r} did not come: {lines}")


def test_an_aborted_run_exits_3(backend: Backend, project: pathlib.Path, tmp_path: pathlib.Path) -> None:
    process = started(backend, project, tmp_path / "never", "--name", "to-abort", "--follow")
    read_until(process, "waiting")
    done = backend.cli("abort", "run", "to-abort", "--reason", "enough of it")
    assert (done.returncode, done.stdout) == (0, "Aborted the run to-abort.\n")
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "ABORTED" in stderr and "enough of it" in stderr


def test_ctrl_c_leaves_a_remote_run_running_and_says_how_to_go_on(
    backend: Backend, project: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    process = started(backend, project, tmp_path / "file", "--name", "left-alone", "--follow")
    read_until(process, "waiting")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    for command in ("flyte get run left-alone", "flyte get logs left-alone", "flyte abort run left-alone"):
        assert command in stderr
    assert "Traceback" not in stdout + stderr
    (tmp_path / "file").touch()
    deadline = time.monotonic() + 30
    phase = ""
    while phase != "succeeded" and time.monotonic() < deadline:
        phase = json.loads(backend.cli("get", "run", "left-alone", "-o", "json").stdout)["phase"]
    assert phase == "succeeded"


def test_ctrl_c_ends_a_local_run(backend: Backend, project: pathlib.Path, tmp_path: pathlib.Path) -> None:
    process = started(backend, project, tmp_path / "never", "--local")
    assert process.stdout is not None
    while "waiting" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted." in stderr and "Traceback" not in stderr


def test_detaching_prints_the_run_and_returns(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("-o", "json", "run", "--detach", "--label", "a=b", "shop.py", "nothing", cwd=project)
    said = json.loads(done.stdout)
    assert said["name"] == run_name(done.stderr)
    assert json.loads(backend.cli("-o", "json", "get", "run", said["name"]).stdout)["labels"] == {"a": "b"}


def test_a_dry_run_needs_no_backend(project: pathlib.Path, flyte_home: pathlib.Path) -> None:
    command = [sys.executable, "-m", "flyte.cli.main", "-o", "json", "run", "--dry-run", "shop.py", "main"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout)["task"] == "shop.main"
    assert not (flyte_home / "backend").exists()


def test_a_deployed_task_is_run_by_name_and_version(backend: Backend, project: pathlib.Path) -> None:
    assert backend.cli("deploy", "--version", "v1", "shop.py", "env", cwd=project).returncode == 0
    for name in ("shop.main", "shop.main:v1"):
        done = backend.cli("run", "deployed-task", name, "--n", "3")
        assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
    done = backend.cli("run", "--project", "flytesnacks", "--domain", "development", "deployed-task", "shop.main")
    assert done.stdout == "5\n"


def test_a_pickled_output_of_a_deployed_task_stays_closed(backend: Backend, project: pathlib.Path) -> None:
    assert backend.cli("deploy", "--version", "v2", "shop.py", "env", cwd=project).returncode == 0
    done = backend.cli("run", "deployed-task", "shop.thing:v2", "--a", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("'<pickled value")
    shown = backend.cli("get", "io", run_name(done.stderr))
    assert "<pickled value" in shown.stdout


def test_nothing_that_a_terminal_obeys_comes_through(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("run", "--follow", "shop.py", "escapes", cwd=project)
    assert done.returncode == 0, done.stderr
    assert clean(done.stdout) and clean(done.stderr)
    assert r"log \x1b]52;c;aGk=\x07 \x1b[2J end" in done.stderr
    name = run_name(done.stderr)
    for args in (("get", "logs", name), ("get", "io", name), ("get", "run", name)):
        shown = backend.cli(*args)
        assert shown.returncode == 0 and clean(shown.stdout) and clean(shown.stderr)
    failed = backend.cli("run", "shop.py", "escaping_error", cwd=project)
    assert r"\x1b]0;title\x07" in failed.stderr and clean(failed.stderr)
    assert clean(backend.cli("get", "run", run_name(failed.stderr)).stdout)


def test_help_of_a_task_shows_its_inputs(backend: Backend, project: pathlib.Path) -> None:
    done = backend.cli("run", "shop.py", "main", "--help", cwd=project)
    assert done.returncode == 0
    for words in ("Sum squares.", "--n", "How many.", "--input-path", "default: 3"):
        assert words in done.stdout
    assert done.stdout.count("How many.") == 1


def test_help_of_a_file_lists_its_tasks_and_starts_no_backend(project: pathlib.Path, flyte_home: pathlib.Path) -> None:
    for args in (("shop.py", "--help"), ("shop.py", "main", "--help"), ("deployed-task", "--help")):
        command = [sys.executable, "-m", "flyte.cli.main", "run", *args]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    assert not (flyte_home / "backend").exists()
