"""The files that belong to the repository, for the tests of this folder."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from tests.conftest import missing_part

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def files() -> tuple[tuple[str, str], ...]:
    """Name and text of every text file that git tracks or would offer to add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        missing_part("git", "it is not installed")
    if done.returncode != 0:
        missing_part("git", "this is no clone")
    found = []
    for name in sorted(set(done.stdout.split("\0")) - {""}):
        try:
            found.append((name, (ROOT / name).read_text(encoding="utf-8")))
        except (FileNotFoundError, UnicodeDecodeError):
            continue  # deleted but not yet committed; no text
    return tuple(found)
