"""Asks git where the code of a deployment comes from."""

from __future__ import annotations

import inspect
import pathlib
import subprocess
from typing import Any

from flyte.authoring.task import TaskTemplate
from flyte.model.source import Repository, browser_url

_PATIENCE_SECONDS = 10


def repository_at(folder: pathlib.Path) -> Repository | None:
    """The repository that a folder lies in; None where there is none, or none that has a remote and a commit."""
    root, commit = _git(folder, "rev-parse", "--show-toplevel"), _git(folder, "rev-parse", "HEAD")
    remotes = (_git(folder, "remote") or "").split()
    if not root or not commit or not remotes:
        return None
    remote = _git(folder, "remote", "get-url", "--push", "origin" if "origin" in remotes else remotes[0])
    status = _git(folder, "status", "--porcelain")
    if not remote:
        return None
    return Repository(pathlib.Path(root), browser_url(remote), commit, is_clean=status == "")


def source_link(task: TaskTemplate[..., Any], repository: Repository | None) -> str | None:
    """The page that shows a task's `def` line; None where it cannot be known."""
    func = getattr(task, "func", None)
    if repository is None or func is None or task.source_file is None:
        return None
    try:
        lines, first = inspect.getsourcelines(func)
    except (OSError, TypeError):
        return None
    decorators = next((i for i, text in enumerate(lines) if text.lstrip().startswith(("def ", "async def "))), 0)
    return repository.link(pathlib.Path(task.source_file), first + decorators)


def _git(folder: pathlib.Path, *args: str) -> str | None:
    """What a git command says; None where it fails, or where there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *args],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
