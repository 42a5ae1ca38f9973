"""Fixtures for all tests: a home of one's own, a real backend, and parts of the machine that may be missing."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType

import pytest

from flyte.client import local_backend
from flyte.client.session import set_session

ROOT = pathlib.Path(__file__).parent.parent
STRICT = os.environ.get("FLYTE_TEST_REQUIRE_PARTS") == "1"
"""True where a missing part of the machine is a failure, not a skip."""


FOREIGN = ("FLYTE_", "FLYTECTL_", "UCTL_", "LOG_LEVEL", "USER_LOG_LEVEL")
OURS = ("FLYTE_HOME", "FLYTE_TEST_", "FLYTE_OFFICIAL_VENV", "FLYTE_MISSION_DOCUMENTS")


def pytest_configure() -> None:
    """Give the tests, and the programs that they start, the same surroundings everywhere.

    Variables win over configuration files: with `FLYTE_ADMIN_ENDPOINT` of a developer's shell, tests would speak to
    the backend that it names. A shell's job in the background hands down that Ctrl-C is ignored.
    """
    for name in [name for name in os.environ if name.startswith(FOREIGN) and not name.startswith(OURS)]:
        del os.environ[name]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _optional_parts() -> set[str]:
    listed = ROOT / ".ci" / "optional-parts"
    if not listed.exists():
        return set()
    return {line.split("#")[0].strip() for line in listed.read_text().splitlines() if line.split("#")[0].strip()}


def missing_part(name: str, reason: str) -> None:
    """Skip a test because the machine lacks a part, or fail it where the part was to be there."""
    if STRICT and name not in _optional_parts():
        pytest.fail(f"The part {name!r} is missing here: {reason}")
    pytest.skip(f"{name}: {reason}")


@pytest.fixture(autouse=True)
def _no_session() -> Iterator[None]:
    """Every test starts and ends without an initialised SDK."""
    set_session(None)
    yield
    set_session(None)


@pytest.fixture
def flyte_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A home folder of flyte's own for one test."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("FLYTE_HOME", str(home))
    return home


def import_program(path: pathlib.Path) -> ModuleType:
    """Import a user's program as a module of its own, under its file's name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Backend:
    """A real backend in a process of its own.

    Args:
        home: FLYTE_HOME of its clients.
        options: Further command-line options of the server.
    """

    home: pathlib.Path
    options: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = self.home / "backend"
        self.data.mkdir(parents=True, exist_ok=True)
        self.config = self.home / "config.yaml"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Backend:
        """Start it (again, on the same port) and wait until it is ready."""
        command = [sys.executable, "-m", "flyte.server", "--data", str(self.data), "--port", str(self.port)]
        command += ["--grace", "0"]  # what a test left running is not waited for
        with (self.data / "server.log").open("ab") as output:
            self.process = subprocess.Popen([*command, *self.options], stdout=output, stderr=output)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            record = local_backend.read_record(self.data)
            if record is not None and record.pid == self.process.pid and local_backend.health(record.url) is not None:
                self.port = int(record.url.rpartition(":")[2])
                self.config.write_text(
                    json.dumps(
                        {
                            "admin": {"endpoint": f"dns:///127.0.0.1:{self.port}", "insecure": True},
                            "image": {"builder": "local"},
                            "task": {"org": "local", "project": "flytesnacks", "domain": "development"},
                        }
                    )
                )
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the backend did not start:\n{(self.data / 'server.log').read_text()[-3000:]}")

    def kill(self) -> None:
        """End the control plane with SIGKILL; supervisor and tasks go on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Drain and end it, with its supervisor.

        One that was killed is started once more, because nothing else ends its supervisor and its tasks.
        """
        if self.process is None:
            return
        if self.process.poll() == -signal.SIGKILL:
            self.start()
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def env(self, **more: str) -> dict[str, str]:
        """The environment of a client of this backend."""
        return {**os.environ, "FLYTE_HOME": str(self.home), **more}

    def cli(
        self, *args: str, cwd: pathlib.Path | None = None, timeout: float = 120, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the flyte command against this backend."""
        return subprocess.run(
            [sys.executable, "-m", "flyte.cli.main", "-c", str(self.config), *args],
            cwd=cwd, env=self.env(**env), capture_output=True, text=True, timeout=timeout, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A running backend for the tests of a module."""
    running = Backend(tmp_path_factory.mktemp("home")).start()
    yield running
    running.stop()
