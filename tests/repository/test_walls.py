"""The walls between the layers stand, and would be missed if they fell."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent

LAYERS = "Layers: "
CONTROL_PLANE = "The control plane never imports user code"
PURE = "The pure core knows no third party"
PROTOBUF = "Protobuf only in"

PLANTED = [
    ("model/phase.py", "import flyte.server.app\nimport yaml", LAYERS, "flyte.model.phase -> flyte.server.app"),
    ("model/phase.py", "", PURE, "flyte.model.phase -> yaml"),
    ("types/engine.py", "from flyte.remote.run import Run", LAYERS, "flyte.types.engine -> flyte.remote.run"),
    ("client/transport.py", "from flyte.bundle import files", LAYERS, "flyte.client.transport -> flyte.bundle.files"),
    ("server/services/runs.py", "import cloudpickle", CONTROL_PLANE, "flyte.server.services.runs -> cloudpickle"),
    ("launch/plan.py", "from flyteidl2.common import identifier_pb2", PROTOBUF, "flyte.launch.plan -> flyteidl2"),
]
"""Module, what is planted there, the contract that it breaks, how that is told."""


def lint_imports(folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    command = [str(pathlib.Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder / "src"), "PATH": "", "COLUMNS": "300"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def copied(tmp_path: pathlib.Path) -> pathlib.Path:
    """The source and the contracts, where they can be broken."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_wall_stands() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def test_planted_violations_are_caught(copied: pathlib.Path) -> None:
    future = "from __future__ import annotations\n"
    for module, planted, _, _ in PLANTED:
        path = copied / "src" / "flyte" / module
        text = path.read_text()
        assert future in text
        path.write_text(text.replace(future, f"{future}\n{planted}\n", 1))

    done = lint_imports(copied)

    assert done.returncode == 1
    broken = [line.strip() for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert len(broken) == 4, done.stdout
    for _, planted, contract, told in PLANTED:
        assert any(line.startswith(contract) for line in broken), planted
        assert re.search(rf"{re.escape(told)} \(l\.\d+", done.stdout), f"{planted!r} is not told:\n{done.stdout}"


def test_a_new_package_needs_a_place_among_the_layers(copied: pathlib.Path) -> None:
    package = copied / "src" / "flyte" / "elsewhere"
    package.mkdir()
    (package / "__init__.py").write_text('"""A package that no layer names."""\n')

    done = lint_imports(copied)

    assert done.returncode == 1
    assert "flyte.elsewhere" in done.stdout
