"""What is generated is current: the protobuf code of our own package."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent.parent


def check(folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "scripts" / "generate_proto.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_generated_protobuf_code_matches_its_sources() -> None:
    done = check(ROOT)
    assert done.returncode == 0, done.stderr


def test_a_changed_source_is_noticed(tmp_path: pathlib.Path) -> None:
    for part in ("scripts", "proto", "src/flyte/wire/gen"):
        shutil.copytree(ROOT / part, tmp_path / part)
    source = next((tmp_path / "proto").rglob("*.proto"))
    source.write_text(f"{source.read_text()}\nmessage Planted {{\n  string name = 1;\n}}\n")

    done = check(tmp_path)

    assert done.returncode == 1
    assert "make proto" in done.stderr
