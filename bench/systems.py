"""The systems that are measured: how each is installed, served and started."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "bench" / "programs"
ENVIRONMENTS = ROOT / ".cache" / "bench-envs"

WORKLOADS = ("cold", "cli", "single", "sequential", "parallel")


@dataclass(frozen=True)
class System:
    """One system.

    Args:
        name: As on the command line.
        packages: What its virtual environment holds; () for this one's own.
        workloads: Those that it has.
        server: Its service, if it has one: the words after its Python; `{port}` and `{home}` are filled in.
        ready: Path that answers once the service is up.
        environment: Variables of service and clients, filled in alike.
    """

    name: str
    packages: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ("cold", "single", "sequential", "parallel")
    server: tuple[str, ...] = ()
    ready: str = "/"
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(ENVIRONMENTS / self.name / "bin" / "python") if self.packages else sys.executable

    def install(self) -> None:
        """Make its virtual environment where it is missing."""
        done = ENVIRONMENTS / self.name / ".installed"
        wanted = "\n".join(self.packages)
        if not self.packages or (done.exists() and done.read_text() == wanted):
            return
        folder = str(ENVIRONMENTS / self.name)
        own = ROOT / ".venv-tools" / "bin" / "uv"  # what `make` installed
        uv = str(own) if own.exists() else shutil.which("uv")
        with_uv = uv is not None and _runs(
            [uv, "venv", "--clear", "--quiet", "--python", sys.executable, folder],
            [uv, "pip", "install", "--quiet", "--python", self.python, *self.packages],
        )
        # pip has a configuration of its own, by which it may reach an index that uv does not.
        if not with_uv and not _runs(
            [sys.executable, "-m", "venv", "--clear", folder],
            [self.python, "-m", "pip", "install", "--quiet", *self.packages],
        ):
            raise SystemExit(f"Error: {self.name} could not be installed (see above). Leave it out with --systems.")
        done.write_text(wanted)

    def versions(self) -> dict[str, str]:
        """Versions of Python and of its packages."""
        names = [re.split("[=<>]", package)[0] for package in self.packages] or (
            ["flyte-py"] if self.name.startswith("ours") else []
        )
        code = (
            "import json, platform; from importlib.metadata import version;"
            f"print(json.dumps({{'python': platform.python_version(), **{{n: version(n) for n in {names!r}}}}}))"
        )
        found: dict[str, str] = json.loads(subprocess.check_output([self.python, "-c", code]))
        return found

    def command(self, workload: str, n: int) -> list[str]:
        """The program that does one workload once."""
        flyte = [self.python, "-m", "flyte.cli.main"] if self.name.startswith("ours") else [self._script("flyte")]
        if self.name in ("ours", "ours-local", "official-local"):
            if workload == "cold":
                return [*flyte, "run", "--local", "hello.py", "main"]
            if workload == "cli":
                return [*flyte, "run", "hello.py", "main"]
            mode = "local" if self.name.endswith("-local") else "remote"
            return [self.python, str(PROGRAMS / "flyte_driver.py"), mode, workload, str(n)]
        return [self.python, str(PROGRAMS / f"{self.name}_driver.py"), workload, str(n)]

    def _script(self, name: str) -> str:
        return str(pathlib.Path(self.python).parent / name)


SYSTEMS = {
    system.name: system
    for system in (
        System("floor"),
        System(
            "ours",
            workloads=("cli", "single", "sequential", "parallel"),
            server=("-m", "flyte.server", "--data", "{home}/backend", "--port", "{port}"),
            ready="/health/ready",
            environment={"FLYTE_HOME": "{home}", "FLYTECTL_CONFIG": "{home}/config.yaml"},
        ),
        System("ours-local", environment={"FLYTE_HOME": "{home}"}),
        System(
            "official-local",
            packages=("flyte==2.12.1",),
            environment={"HOME": "{home}", "FLYTE_DISABLE_TELEMETRY": "1"},
        ),
        System(
            "prefect",
            packages=("prefect", "fastapi<0.120"),  # its server does not start with the newest FastAPI
            server=("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", "{port}"),
            ready="/api/health",
            environment={
                "PREFECT_HOME": "{home}",
                "PREFECT_API_URL": "http://127.0.0.1:{port}/api",
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "DO_NOT_TRACK": "1",
                "PREFECT_LOGGING_LEVEL": "ERROR",
            },
        ),
        System("dagster", packages=("dagster",), environment={"DAGSTER_HOME": "{home}", "PYTHONWARNINGS": "ignore"}),
    )
}


def _runs(*commands: list[str]) -> bool:
    """Run one command after the other; False where one fails."""
    return all(subprocess.run(command, check=False).returncode == 0 for command in commands)


@dataclass
class Served:
    """A system whose service runs."""

    system: System
    home: pathlib.Path
    environment: dict[str, str]
    service: subprocess.Popen[bytes] | None = None


@contextmanager
def served(system: System, home: pathlib.Path) -> Iterator[Served]:
    """The system with its service up, in an empty home of its own."""
    home.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def filled(text: str) -> str:
        return text.replace("{port}", str(port)).replace("{home}", str(home))

    environment = {**os.environ, **{name: filled(value) for name, value in system.environment.items()}}
    (home / "config.yaml").write_text(
        json.dumps(
            {
                "admin": {"endpoint": f"dns:///127.0.0.1:{port}", "insecure": True},
                "task": {"org": "local", "project": "flytesnacks", "domain": "development"},
            }
        )
    )
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    running = Served(system, home, environment)
    try:
        if system.server:
            with (home / "service.log").open("wb") as log:
                command = [system.python, *map(filled, system.server)]
                running.service = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=home)
            _wait(f"http://127.0.0.1:{port}{system.ready}", running)
        yield running
    finally:
        if running.service is not None:
            running.service.terminate()
            running.service.wait(60)


def _wait(url: str, running: Served) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert running.service is not None and running.service.poll() is None, _log(running)
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(_log(running))


def _log(running: Served) -> str:
    return f"{running.system.name} did not start:\n{(running.home / 'service.log').read_text()[-3000:]}"
