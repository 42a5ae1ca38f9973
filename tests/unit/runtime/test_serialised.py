"""Where a task process finds a task."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import pytest

from flyte.errors import InvalidValue
from flyte.runtime.serialised import module_of

PROGRAM = """
import flyte
env = flyte.TaskEnvironment("found")
@env.task
def main() -> int:
    return 1
"""


@pytest.fixture
def task_in(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Any]:
    """The task of a program at a path, imported under a name."""

    def load(path: str, name: str) -> Any:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PROGRAM)
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module.main

    return load


@pytest.mark.parametrize(
    ("path", "name", "found"),
    [
        ("hello.py", "hello", "hello"),
        ("pkg/sub/hello.py", "anything", "pkg.sub.hello"),
        ("pkg/__init__.py", "pkg", "pkg"),
        ("src/pkg/hello.py", "pkg.hello", "pkg.hello"),
        ("v1.2/src/pkg/hello.py", "pkg.hello", "pkg.hello"),
    ],
)
def test_a_task_is_found_by_its_file_below_the_root(
    task_in: Callable[[str, str], Any], tmp_path: pathlib.Path, path: str, name: str, found: str
) -> None:
    assert module_of(task_in(path, name), tmp_path) == (found, "main")


@pytest.mark.parametrize(
    ("path", "name", "words"),
    [
        ("my.flow.py", "my.flow", ["my.flow.py", "'my.flow'", "Rename it."]),
        ("v1.2/hello.py", "v1.2.hello", ["hello.py", "'v1.2'", "--root-dir"]),
        (".hidden/hello.py", ".hidden.hello", ["'.hidden'", "--root-dir"]),
    ],
)
def test_a_name_that_cannot_be_imported_is_refused_where_it_can_be_mended(
    task_in: Callable[[str, str], Any], tmp_path: pathlib.Path, path: str, name: str, words: list[str]
) -> None:
    with pytest.raises(InvalidValue) as raised:
        module_of(task_in(path, name), tmp_path)
    for word in words:
        assert word in str(raised.value)
