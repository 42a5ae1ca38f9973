"""What a person sees of a failure: his own frames."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import traceback

import pytest

import flyte
import flyte.errors
from flyte.model.timeout import as_timeout
from flyte.runtime.invocation import user_traceback

env = flyte.TaskEnvironment(name="shown")


@env.task
def child() -> None:
    raise ValueError("bad thing")


@env.task
def parent() -> None:
    child()


@env.task
async def child_async() -> None:
    raise ValueError("bad thing")


@env.task
async def parent_async() -> None:
    await child_async()


@env.task
async def parent_of_both() -> None:
    await child.aio()


@env.task
def uses_us_wrongly() -> None:
    flyte.Timeout(max_runtime=-1)


def _files(error: BaseException | None) -> list[list[str]]:
    """The files of the frames of an error and its causes."""
    found = []
    while error is not None:
        found.append([pathlib.Path(f.filename).name for f in traceback.extract_tb(error.__traceback__)])
        error = error.__cause__
    return found


@pytest.mark.parametrize("task", [child, parent, child_async, parent_async, parent_of_both])
def test_the_traceback_of_what_a_task_raised_begins_with_the_users_frames(task: flyte.TaskTemplate) -> None:  # type: ignore[name-defined]
    with pytest.raises(flyte.errors.RuntimeUserError) as caught:
        flyte.run(task)
    causes = _files(caught.value)[1:]
    assert causes
    assert all(files[0] == "test_tracebacks.py" for files in causes)


@pytest.mark.parametrize("task", [parent, parent_async, parent_of_both])
def test_the_shown_traceback_has_only_the_users_frames(task: flyte.TaskTemplate) -> None:  # type: ignore[name-defined]
    with pytest.raises(flyte.errors.RuntimeUserError) as caught:
        flyte.run(task)
    text = user_traceback(caught.value)
    files = {line.split('"')[1] for line in text.splitlines() if line.startswith('  File "')}
    assert files == {__file__}
    assert 'raise ValueError("bad thing")' in text and "ValueError: bad thing" in text
    assert text.index('raise ValueError("bad thing")') < text.index(f", in {task.func.__name__}")


def test_a_mistake_in_the_use_of_this_package_shows_the_users_line() -> None:
    with pytest.raises(flyte.errors.RuntimeUserError) as caught:
        flyte.run(uses_us_wrongly)
    assert caught.value.__cause__ is not None
    text = user_traceback(caught.value.__cause__)
    assert "flyte.Timeout(max_runtime=-1)" in text
    assert "model/timeout.py" not in text


def test_an_error_without_frames_of_the_user_is_shown_whole() -> None:
    try:
        as_timeout("x")  # type: ignore[arg-type]
    except flyte.errors.InvalidType as e:
        error = e
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next
    assert "timeout.py" in user_traceback(error)


def test_groups_of_exceptions_are_shown_with_the_users_frames_only() -> None:
    found = []
    for task in (child, parent):
        try:
            flyte.run(task)
        except flyte.errors.RuntimeUserError as e:
            found.append(e)
    text = user_traceback(ExceptionGroup("both", found))
    assert text.count('raise ValueError("bad thing")') == 2
    assert "runtime/local" not in text


@pytest.mark.parametrize("command", ["program", "command line"])
def test_an_uncaught_failure_shows_the_users_line_first(
    tmp_path: pathlib.Path, home: pathlib.Path, command: str
) -> None:
    script = tmp_path / "fails.py"
    script.write_text(
        "import flyte\n"
        "env = flyte.TaskEnvironment(name='f')\n"
        "@env.task\n"
        "def main() -> int:\n"
        "    return 1 // 0\n"
        "if __name__ == '__main__':\n"
        "    flyte.run(main)\n"
    )
    arguments = ["-m", "flyte.cli.main", "run", "--local", "fails.py", "main"]
    done = subprocess.run(
        [sys.executable, *([str(script)] if command == "program" else arguments)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    first = next(line for line in done.stderr.splitlines() if line.startswith("  File"))
    assert f'{script}", line 5, in main' in first
    assert "ZeroDivisionError: integer division or modulo by zero" in done.stderr
