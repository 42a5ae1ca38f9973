"""`make demo`: what it starts, shows, leaves running and leaves behind."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

from flyte.client import local_backend
from tests.conftest import ROOT

RESULT = "Summary(days=1461, rain=4426.0, wettest_year=2014, hottest=35.6, coldest=-7.1, "


def demo(folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """The demo of a copy of the repository, on a machine whose user has a backend configured elsewhere."""
    elsewhere = {"FLYTE_HOME": str(folder / "elsewhere"), "FLYTE_ADMIN_ENDPOINT": "dns:///127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, str(folder / "scripts" / "demo.py")], env={**os.environ, **elsewhere}, cwd=folder,
        capture_output=True, text=True, check=False, timeout=180, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_the_demo_shows_result_run_and_address_and_stops_what_it_started(tmp_path: pathlib.Path) -> None:
    for part in ("scripts", "examples"):
        shutil.copytree(ROOT / part, tmp_path / part)

    done = demo(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(
        line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith(("Result", "Run", "URL"))
    )
    assert told["Result"].startswith(RESULT)
    assert re.fullmatch(r"\w+, \d+\.\d s", told["Run"])
    assert told["URL"].startswith("http://127.0.0.1:") and told["URL"].endswith(f"/runs/{told['Run'].split(',')[0]}")
    assert local_backend.read_record(tmp_path / ".demo" / "backend") is None
    assert not (tmp_path / "elsewhere").exists()


def test_the_demo_has_as_many_actions_as_the_readme_says() -> None:
    years, months = 4, 12
    actions = 1 + years * (1 + 1 + months) + 1  # main; each year, its days and its months; the check
    assert f"a pipeline of {actions} nested, parallel actions" in (ROOT / "README.md").read_text()
