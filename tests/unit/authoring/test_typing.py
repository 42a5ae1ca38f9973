"""A type checker must see that calling a task has the types of its function."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent.parent
SAMPLE = HERE / "typing_sample.py"


def check(file: pathlib.Path, cache: pathlib.Path) -> str:
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--follow-imports=silent"]
    done = subprocess.run(
        [*command, "--cache-dir", str(cache), str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("mypy")


def test_calls_of_tasks_have_the_types_of_their_functions(cache: pathlib.Path) -> None:
    assert check(SAMPLE, cache) == "Success: no issues found in 1 source file\n"


def test_the_sample_would_notice_a_wrong_type(cache: pathlib.Path, tmp_path: pathlib.Path) -> None:
    wrong = tmp_path / "wrong_sample.py"
    text = SAMPLE.read_text()
    assert "assert_type(await add(1, b=2), float)" in text
    wrong.write_text(text.replace("assert_type(await add(1, b=2), float)", "assert_type(await add(1, b=2), str)"))
    assert '"float", not "str"' in check(wrong, cache)
