"""One folder per attempt that a supervisor started: what its successor needs to find, adopt or report it.

key.json     the attempt; written first
launch.json  where its results will be; written before its process is started, so that without it there is none
pid.json     the process group and its start time; written after the process was started
log.fifo, spool, mark  its output on the way into the log segment, see output.py
token        the attempt's credential, 0600; removed by the process that reads it
work/        the process's working directory
ended.json, error.pb  the report, until it is acknowledged
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from flyte.server.executors.port import AttemptEnded, AttemptKey, Launch

_GONE = ".gone-"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Promise:
    """What is to be looked at when the process is gone."""

    output_prefix: str
    expects_outputs: bool


def folder_name(key: AttemptKey) -> str:
    """A name without anything that a path could trip over."""
    text = json.dumps([key.project, key.domain, key.run, key.action])
    return f"{hashlib.sha256(text.encode()).hexdigest()[:24]}-{key.attempt}-{key.epoch}"


class Journal:
    """The folders of a supervisor's attempts.

    Args:
        root: The folder that holds them.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def folder(self, key: AttemptKey) -> pathlib.Path:
        """The folder of an attempt, made or not."""
        return self.root / folder_name(key)

    def begin(self, launch: Launch) -> pathlib.Path:
        """Make the folder of an attempt that is about to be started.

        Raises:
            OSError: It cannot be made, or is there already.
        """
        folder = self.folder(launch.key)
        folder.mkdir(mode=0o700)
        (folder / "key.json").write_text(json.dumps(asdict(launch.key)))
        descriptor = os.open(folder / "token", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(launch.token)
        (folder / "work").mkdir()
        promise = Promise(launch.output_prefix, launch.expects_outputs)
        _write_whole(folder / "launch.json", json.dumps(asdict(promise)).encode())
        return folder

    def promise(self, key: AttemptKey) -> Promise | None:
        """What an attempt was started for; None when no process of it was ever started."""
        return _read(self.folder(key) / "launch.json", lambda found: Promise(**found))

    def keep_process(self, key: AttemptKey, pid: int, started: str) -> None:
        """Note the process of an attempt."""
        _write_whole(self.folder(key) / "pid.json", json.dumps({"pid": pid, "start": started}).encode())

    def process(self, key: AttemptKey) -> tuple[int, str] | None:
        """The process of an attempt and its start time."""
        return _read(self.folder(key) / "pid.json", lambda found: (int(found["pid"]), str(found["start"])))

    def keep_end(self, ended: AttemptEnded) -> None:
        """Note a report, until it is acknowledged."""
        folder = self.folder(ended.key)
        folder.mkdir(mode=0o700, exist_ok=True)
        if not (folder / "key.json").exists():
            (folder / "key.json").write_text(json.dumps(asdict(ended.key)))
        if ended.error_document:
            _write_whole(folder / "error.pb", ended.error_document)
        facts = {name: value for name, value in asdict(ended).items() if name not in ("key", "error_document")}
        _write_whole(folder / "ended.json", json.dumps(facts).encode())

    def end(self, key: AttemptKey) -> AttemptEnded | None:
        """The report of an attempt that has ended."""
        folder = self.folder(key)
        ended = _read(folder / "ended.json", lambda facts: AttemptEnded(key=key, **facts))
        if ended is None:
            return None
        with contextlib.suppress(FileNotFoundError):
            ended = replace(ended, error_document=(folder / "error.pb").read_bytes())
        return ended

    def known(self) -> list[AttemptKey]:
        """Every attempt whose process was started, or whose report is not acknowledged. Other folders are removed."""
        keys = []
        for folder in self.root.iterdir():
            key = _read(folder / "key.json", lambda found: AttemptKey(**found))
            started = (folder / "launch.json").exists() or (folder / "ended.json").exists()
            if key is None or not started or folder.name.startswith(_GONE):
                self.remove(folder)  # a crash cut it short
            else:
                keys.append(key)
        return keys

    def set_aside(self, key: AttemptKey) -> pathlib.Path | None:
        """Take the folder of an attempt out of the journal; it is removed by `remove`. None when there is none."""
        folder = self.folder(key)
        gone = folder.with_name(f"{_GONE}{folder.name}")
        try:
            folder.rename(gone)
        except OSError:
            return None
        return gone

    @staticmethod
    def remove(folder: pathlib.Path) -> None:
        """Remove a folder that was set aside, also where a task took away its own rights."""
        for parent, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                pathlib.Path(parent).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _write_whole(path: pathlib.Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _read(path: pathlib.Path, meaning: Callable[[dict[str, Any]], T]) -> T | None:
    """What a file says; None where it is not there, damaged, or of a version that wrote other things."""
    try:
        return meaning(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError):
        return None
