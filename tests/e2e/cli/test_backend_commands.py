"""The commands for this machine's own backend: what they show, and what they never touch."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from flyte.client import local_backend


def flyte(home: pathlib.Path, *args: str, cwd: pathlib.Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command without any configuration, with a home of its own."""
    return subprocess.run(
        [str(pathlib.Path(sys.executable).parent / "flyte"), *args],
        cwd=cwd or home, env={**os.environ, "FLYTE_HOME": str(home)}, capture_output=True, text=True, timeout=120,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def home(flyte_home: pathlib.Path) -> Iterator[pathlib.Path]:
    """A home whose backend is stopped at the end."""
    yield flyte_home
    local_backend.stop(flyte_home / "backend", grace_seconds=1)


def test_a_backend_is_started_on_a_free_port_shown_and_not_started_twice(home: pathlib.Path) -> None:
    started = json.loads(flyte(home, "start", "backend", "--detach", "--port", "0", "-o", "json").stdout)
    assert started["started"] is True
    shown = json.loads(flyte(home, "-o", "json", "get", "backend").stdout)
    assert shown["running"] and shown["ready"]
    assert (shown["url"], shown["data"]) == (started["url"], str(home / "backend"))
    assert f"url         {started['url']}" in flyte(home, "get", "backend").stdout
    again = flyte(home, "start", "backend", "--detach")
    assert (again.returncode, again.stdout.startswith(f"Already running: {started['url']}")) == (0, True)
    assert flyte(home, "stop", "backend").stdout == "Stopped.\n"
    assert json.loads(flyte(home, "get", "backend", "-o", "json").stdout)["running"] is False


def test_a_stale_record_never_ends_another_program(home: pathlib.Path) -> None:
    """After a crash, the number of the backend's process may belong to anybody."""
    (home / "backend").mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        record = {"pid": other.pid, "url": "http://127.0.0.1:9", "version": "0", "data": "x", "started_at": ""}
        (home / "backend" / "backend.json").write_text(json.dumps(record))
        assert flyte(home, "stop", "backend").stdout == "No backend runs.\n"
        assert json.loads(flyte(home, "get", "backend", "-o", "json").stdout)["running"] is False
        assert other.poll() is None
        other.communicate(b"\n")
