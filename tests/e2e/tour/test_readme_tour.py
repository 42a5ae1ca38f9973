"""The tour of the README, followed word by word: in an empty folder, with the wheel, in an environment of its own.

Python blocks are written to the file that their first line names. Bash blocks are run, in order. A text block tells
what the one before it prints: its lines are found in that order, and `…` stands for anything.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import missing_part
from tests.e2e.tour.conftest import clean_environment

ROOT = pathlib.Path(__file__).parent.parent.parent.parent
NO_INDEX = ("NewConnectionError", "Temporary failure in name resolution", "Could not find a version", "ConnectTimeout")
LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Block:
    """A fenced block of the tour."""

    language: str
    text: str
    line: int


def tour() -> list[Block]:
    """The fenced blocks below the tour's heading."""
    text = (ROOT / "README.md").read_text()
    start = text.index("## A tour in five minutes")
    end = text.index("\n## ", start + 1)
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)
        for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text[:end], re.MULTILINE | re.DOTALL)
        if found.start() > start
    ]


def missing_line(told: str, printed: str) -> str | None:
    """The first line of what was told that was not printed in its turn; None when all were."""
    rest = printed.splitlines()
    for line in told.splitlines():
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        if line == "…":
            continue
        at = next((number for number, said in enumerate(rest) if pattern.fullmatch(said.rstrip())), None)
        if at is None:
            return line
        rest = rest[at + 1 :]
    return None


@dataclass
class Visitor:
    """Somebody who follows the tour."""

    folder: pathlib.Path
    environment: dict[str, str]

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Type a block into a shell, with the environment of the tour active once it is there."""
        active = "if [ -e tour/bin/activate ]; then . tour/bin/activate; fi\n"
        return subprocess.run(
            ["bash", "-c", f"set -eu\n{active}{script}"], cwd=self.folder, env=self.environment, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=LONGEST_SECONDS,
        )  # fmt: skip


@pytest.fixture
def visitor(tmp_path: pathlib.Path, distribution: pathlib.Path, base_python: pathlib.Path) -> Iterator[Visitor]:
    folder = tmp_path / "anywhere"
    shutil.copytree(distribution, folder / "dist")
    someone = Visitor(folder, clean_environment(tmp_path / "home", base_python))
    yield someone
    someone.run("flyte stop backend || true")


def test_following_the_tour_gives_what_it_tells(visitor: Visitor) -> None:
    if shutil.which("bash") is None:
        missing_part("bash", "the tour is typed into it")
    blocks = tour()
    assert {block.language for block in blocks} == {"bash", "python", "text"}
    printed = ""
    for block in blocks:
        where = f"README.md:{block.line}"
        if block.language == "python":
            name = block.text.splitlines()[0].removeprefix("# ")
            assert re.fullmatch(r"\w+\.py", name), f"{where}: the first line names no file"
            (visitor.folder / name).write_text(block.text)
        elif block.language == "bash":
            done = visitor.run(block.text)
            printed = done.stdout
            if done.returncode != 0 and "pip install" in block.text and any(sign in printed for sign in NO_INDEX):
                missing_part("package index", f"pip cannot install from it: {printed.strip().splitlines()[-1]}")
            assert done.returncode == 0, f"{where} failed:\n{printed}"
        else:
            missing = missing_line(block.text, printed)
            assert missing is None, f"{where} tells {missing!r}, but what was printed is:\n{printed}"


def test_a_wrong_promise_of_the_tour_would_be_noticed() -> None:
    printed = "Run abc\nhttp://127.0.0.1:1/runs/abc\n'Hello'\n"
    assert missing_line("Run …\n…\n'Hello'\n", printed) is None
    assert missing_line("'Hello'\nRun …\n", printed) == "Run …"
    assert missing_line("'Good bye'\n", printed) == "'Good bye'"
