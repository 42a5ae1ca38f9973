"""The official SDK in an environment of its own; the machine's part `official`."""

from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from flyte.model.task import SDK_COMPATIBLE_VERSION
from tests.conftest import ROOT, missing_part


@dataclass(frozen=True)
class Official:
    """The environment.

    Args:
        home: The home folder of everything that runs in it, so that nothing is read from or left in the user's.
    """

    folder: pathlib.Path
    home: pathlib.Path

    @property
    def python(self) -> pathlib.Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def env(self, **more: str) -> dict[str, str]:
        """The environment variables of a process in it."""
        quiet = {"DO_NOT_TRACK": "1", "FLYTE_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
        return {**os.environ, "HOME": str(self.home), **quiet, **more}

    def run(
        self, *argv: str | pathlib.Path, cwd: pathlib.Path, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, `flyte` or `python`."""
        program, *rest = map(str, argv)
        return subprocess.run(
            [str(self.folder / "bin" / program), *rest],
            cwd=cwd, env=self.env(), capture_output=True, text=True, timeout=timeout, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip


def _version(python: pathlib.Path) -> str | None:
    if not python.exists():
        return None
    asked = subprocess.run(
        [str(python), "-c", "import importlib.metadata as m; print(m.version('flyte'))"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return asked.stdout.strip() or None


def _make(folder: pathlib.Path) -> None:
    if _version(folder / "bin" / "python") == SDK_COMPATIBLE_VERSION:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, text=True)
        subprocess.run(
            [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", f"flyte=={SDK_COMPATIBLE_VERSION}"],
            check=True, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
    except subprocess.CalledProcessError as e:
        lines = (e.stderr or e.stdout or str(e)).strip().splitlines()
        missing_part("official", f"flyte=={SDK_COMPATIBLE_VERSION} cannot be installed: {lines[-1] if lines else e}")
    except (OSError, subprocess.TimeoutExpired) as e:
        missing_part("official", f"flyte=={SDK_COMPATIBLE_VERSION} cannot be installed: {e}")


@pytest.fixture(scope="session")
def official(tmp_path_factory: pytest.TempPathFactory) -> Official:
    """The official SDK; `FLYTE_OFFICIAL_VENV` may name an environment that has it."""
    named = os.environ.get("FLYTE_OFFICIAL_VENV")
    folder = pathlib.Path(named) if named else ROOT / ".cache" / "official-venv"
    if named:
        if _version(folder / "bin" / "python") != SDK_COMPATIBLE_VERSION:
            missing_part("official", f"FLYTE_OFFICIAL_VENV={named} has no flyte=={SDK_COMPATIBLE_VERSION}")
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / "official-venv.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two workers would install over each other
            _make(folder)
    return Official(folder, tmp_path_factory.mktemp("official-home"))
