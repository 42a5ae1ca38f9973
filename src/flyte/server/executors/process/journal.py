"""One folder per attempt that a supervisor started: what its successor needs to find, adopt or report it.

key.json    the attempt, written before the process is started
pid.json    the process group, its start time and its token's digest
log.fifo    where the process writes; opened read-write by it, so that nobody's death breaks the pipe
token       the attempt's credential, 0600
work/       the process's working directory
ended.pb    the report, until it is acknowledged
"""

from __future__ import annotations

import json
import pathlib
import shutil
from dataclasses import asdict

from flyte.server.executors.port import AttemptKey


def folder_name(key: AttemptKey) -> str:
    """A name without anything that a path could trip over."""
    import hashlib

    text = json.dumps([key.project, key.domain, key.run, key.action])
    return f"{hashlib.sha256(text.encode()).hexdigest()[:24]}-{key.attempt}-{key.epoch}"


class Journal:
    """The folders of a supervisor's attempts.

    Args:
        root: The folder that holds them.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def folder(self, key: AttemptKey) -> pathlib.Path:
        """The folder of an attempt, made or not."""
        return self._root / folder_name(key)

    def begin(self, key: AttemptKey) -> pathlib.Path | None:
        """Make the folder of a new attempt; None when there is one already."""
        folder = self.folder(key)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            return None
        (folder / "key.json").write_text(json.dumps(asdict(key)))
        return folder

    def known(self) -> list[AttemptKey]:
        """Every attempt that has a folder."""
        keys = []
        for file in self._root.glob("*/key.json"):
            try:
                keys.append(AttemptKey(**json.loads(file.read_text())))
            except (ValueError, TypeError, OSError):
                shutil.rmtree(file.parent, ignore_errors=True)  # a crash cut it short: nothing was started yet
        return keys

    def forget(self, key: AttemptKey) -> None:
        """Remove the folder of an attempt."""
        shutil.rmtree(self.folder(key), ignore_errors=True)
