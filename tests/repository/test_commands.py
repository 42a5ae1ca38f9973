"""The Makefile, CI and the hooks of pre-commit call what exists."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.conftest import missing_part

ROOT = pathlib.Path(__file__).parent.parent.parent
TARGETS = (
    "help",
    "demo",
    "test",
    "check",
    "lint",
    "format",
    "types",
    "proto",
    "bench",
    "bench-quick",
    "build",
    "clean",
)


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_the_target_and_help_names_it(target: str) -> None:
    if shutil.which("make") is None:
        missing_part("make", "it is not installed")
    command = ["make", "--dry-run", f"PYTHON={sys.executable}", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^{target}:.*## \w", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_files_that_make_and_the_hooks_name_exist() -> None:
    texts = [(ROOT / name).read_text() for name in ("Makefile", ".pre-commit-config.yaml", ".ci/run")]
    named = {name for text in texts for name in re.findall(r"(?<![\w./-])(?:scripts|bench)/[\w-]+(?:\\?\.\w+)?", text)}
    named = {name.replace("\\", "") for name in named} - {"bench/RESULTS.md"}  # which is written there
    assert "scripts/bootstrap.py" in named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_the_hooks_of_pre_commit_are_local() -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    assert {"ruff", "ruff-format", "mypy", "lint-imports", "proto"} <= {hook["id"] for hook in repos[0]["hooks"]}


def test_every_optional_part_has_its_reason() -> None:
    lines = [line for line in (ROOT / ".ci" / "optional-parts").read_text().splitlines() if not line.startswith("#")]
    parts = dict(line.split("#", 1) for line in lines)
    assert {name.strip() for name in parts} == {"kubernetes", "ray", "s3"}
    assert all(reason.strip() for reason in parts.values())


def test_a_machine_without_a_fitting_python_is_told_so(tmp_path: pathlib.Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1" && exit 0\nexit 1\n')
    old.chmod(0o755)
    shell = shutil.which("sh")
    assert shell is not None
    head = tmp_path / "head"
    head.symlink_to(shutil.which("head") or "head")
    done = subprocess.run(
        [shell, str(ROOT / "scripts" / "find-python")], env={"PATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert "No Python 3.11, 3.12, 3.13 or 3.14" in done.stderr and "Python 3.9.1" in done.stderr


def test_a_python_that_fits_is_found_behind_one_that_does_not(tmp_path: pathlib.Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    newer = tmp_path / "python3.12"
    newer.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    newer.chmod(0o755)
    done = subprocess.run(
        [shutil.which("sh") or "sh", str(ROOT / "scripts" / "find-python")],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == sys.executable


def test_the_suite_does_not_hear_the_configuration_of_who_runs_it() -> None:
    script = "import os\nfrom tests.conftest import pytest_configure\npytest_configure()\nprint(*sorted(os.environ))"
    theirs = {"FLYTE_ADMIN_ENDPOINT": "dns:///example.com", "UCTL_CONFIG": "/nowhere", "LOG_LEVEL": "DEBUG"}
    env = {**os.environ, **theirs, "FLYTE_TEST_REQUIRE_PARTS": "0", "FLYTE_HOME": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    left = set(done.stdout.split())
    assert not left & theirs.keys()
    assert {"FLYTE_TEST_REQUIRE_PARTS", "FLYTE_HOME", "PATH"} <= left
