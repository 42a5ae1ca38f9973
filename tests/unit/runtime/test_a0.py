"""The program of an attempt: its command line, its token, its end."""

from __future__ import annotations

import os
import pathlib
import select
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from flyte.errors import InvalidValue
from flyte.runtime import a0

GIVEN = {
    "--inputs": "/b/inputs.pb",
    "--outputs-path": "/b/r1/a0/1",
    "--version": "v1",
    "--run-name": "r1",
    "--name": "a0",
    "--run-base-dir": "/b/r1/",
    "--project": "p",
    "--domain": "development",
    "--org": "local",
}


def line(**changes: Any) -> list[str]:
    given = {**GIVEN, **{f"--{name.replace('_', '-')}": value for name, value in changes.items()}}
    return [part for name, value in given.items() if value is not None for part in (name, value)]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUN_NAME", "ACTION_NAME", "_U_RUN_BASE", "_U_ORG_NAME", "_U_EP_OVERRIDE", "_U_INSECURE"):
        monkeypatch.delenv(name, raising=False)


def test_placeholders_that_nobody_filled_in_count_as_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_NAME", "from-env")
    options = a0.parse(
        [*line(run_name="{{.runName}}", raw_data_path="{{.rawOutputDataPrefix}}", run_start_time="{{.runStartTime}}"),
         "mod", "m", "instance", "t"]
    )  # fmt: skip
    assert options.action.run.name == "from-env"
    assert options.raw_data_path == "/b/r1/a0/1/raw"
    assert (options.module, options.variable) == ("m", "t")
    assert options.bundle is None


@pytest.mark.parametrize("name", ["run_name", "name", "project", "domain", "run_base_dir"])
def test_what_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(f"FLYTE_INTERNAL_EXECUTION_{name.upper()}", raising=False)
    with pytest.raises(InvalidValue, match=f"--{name.replace('_', '-')}"):
        a0.parse(line(**{name: None}))


def test_the_token_is_taken_from_environment_and_disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    monkeypatch.setenv("FLYTE_ATTEMPT_TOKEN_FILE", str(file))
    monkeypatch.setenv("_UNION_EAGER_API_KEY", "abc")
    assert a0._token() == "secret"
    assert not file.exists()
    assert not {"FLYTE_ATTEMPT_TOKEN_FILE", "_UNION_EAGER_API_KEY"} & os.environ.keys()
    assert a0._token() == ""


def unwound(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program that handles SIGTERM as an attempt does, and sends it to itself."""
    program = textwrap.dedent(
        """
        import asyncio, os, signal, sys, time
        from flyte.runtime.a0 import Terminated, Termination
        termination = Termination()
        termination.install()
        termination.at_signal(lambda: print("told"))
        def die(): os.kill(os.getpid(), signal.SIGTERM)
        try:
        {code}
        except Terminated:
            print("terminated")
        if termination.came:
            termination.end()
        """
    ).replace("{code}", textwrap.indent(textwrap.dedent(code), "    "))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


IN_PLAIN_CODE = """
try:
    die(); time.sleep(30)
finally:
    print("cleaned")
"""
IN_A_COROUTINE = """
async def f():
    try:
        die(); await asyncio.sleep(30)
    finally:
        print("cleaned")
asyncio.run(f())
"""
IN_THE_LOOP_ITSELF = """
async def f():
    asyncio.get_running_loop().call_later(0.05, die)
    try:
        await asyncio.sleep(30)
    finally:
        print("cleaned")
asyncio.run(f())
"""
AND_AGAIN_WHILE_CLEANING_UP = """
try:
    die(); time.sleep(30)
finally:
    die(); print("cleaned")
"""


@pytest.mark.parametrize("code", [IN_PLAIN_CODE, IN_A_COROUTINE, IN_THE_LOOP_ITSELF, AND_AGAIN_WHILE_CLEANING_UP])
def test_the_signal_unwinds_the_task_once_and_ends_the_process(code: str) -> None:
    done = unwound(code)
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert done.stdout.split() == ["told", "cleaned", "terminated"]


def test_a_task_that_swallows_the_signal_still_ends_by_it() -> None:
    done = unwound("try:\n    die(); time.sleep(30)\nexcept BaseException:\n    print('swallowed')")
    assert done.returncode == -signal.SIGTERM
    assert done.stdout.split() == ["told", "swallowed"]


def test_the_process_waits_until_its_last_words_were_read(tmp_path: pathlib.Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_RDWR)
    code = "import os\nfrom flyte.runtime.a0 import _drain_output\nos.write(1, b'last')\n_drain_output()"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=writer)
    os.close(writer)
    try:
        assert select.select([reader], [], [], 60)[0]
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert os.read(reader, 100) == b"last"
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def test_an_error_that_cannot_be_left_is_told_in_the_log_and_by_the_exit_code(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    given = line(inputs=str(tmp_path / "nothing"), outputs_path=str(tmp_path / "file" / "below"))
    done = subprocess.run(
        [sys.executable, "-m", "flyte.runtime.a0", *given], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("a0: the error cannot be left for the backend: ")
    assert str(tmp_path / "file" / "below" / "error.pb") in last
