"""The wheel, and an empty environment outside the repository that has nothing but it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.conftest import missing_part

ROOT = pathlib.Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the wheel and the source archive, as `make build` makes them."""
    own = ROOT / ".venv-tools" / "bin" / "uv"
    uv = str(own) if own.exists() else shutil.which("uv")
    if uv is None:
        missing_part("uv", "it builds the wheel; `make test` installs it into .venv-tools")
    target = tmp_path_factory.mktemp("dist")
    command = [uv, "build", "--quiet", "--python", sys.executable, "--out-dir", str(target), str(ROOT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="session")
def wheel(distribution: pathlib.Path) -> pathlib.Path:
    """The wheel."""
    (found,) = distribution.glob("*.whl")
    return found


@pytest.fixture
def base_python(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder for PATH whose python3 is the one under this environment."""
    folder = tmp_path / "base"
    folder.mkdir()
    program = folder / "python3"
    program.write_text(f'#!/bin/sh\nexec "{sys._base_executable}" "$@"\n')  # type: ignore[attr-defined]
    program.chmod(0o755)
    return folder


def clean_environment(home: pathlib.Path, *path: pathlib.Path) -> dict[str, str]:
    """An environment without this one's Python settings and configuration of flyte."""
    foreign = ("FLYTE", "UCTL", "PYTHON", "VIRTUAL_ENV", "UV_", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "FLYTE_HOME": str(home), "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]])}
