"""What is generated is current: the protobuf code of our own package."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent


def check(folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "scripts" / "generate_proto.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_generated_protobuf_code_matches_its_sources() -> None:
    done = check(ROOT)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def copied(tmp_path: pathlib.Path) -> pathlib.Path:
    """Sources and generated code, where they can be changed."""
    for part in ("scripts", "proto", "src/flyte/wire/gen"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_changed_source_is_noticed(copied: pathlib.Path) -> None:
    source = next((copied / "proto").rglob("*.proto"))
    source.write_text(f"{source.read_text()}\nmessage Planted {{\n  string name = 1;\n}}\n")

    done = check(copied)

    assert done.returncode == 1
    assert "make proto" in done.stderr


def test_code_whose_source_is_gone_is_noticed_and_removed(copied: pathlib.Path) -> None:
    orphan = copied / "src/flyte/wire/gen/flyte/backend/v1/orphan_pb2.py"
    orphan.write_text("")

    assert "orphan_pb2.py" in check(copied).stderr
    subprocess.run([sys.executable, str(copied / "scripts" / "generate_proto.py")], check=True)
    assert not orphan.exists()
    assert check(copied).returncode == 0
