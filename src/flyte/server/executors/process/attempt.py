"""One attempt: its process group, from its start or its adoption to its end.

It knows how to run and end a process and what to look at when it is gone; it knows nothing of the control plane.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pathlib
import signal
import subprocess
from dataclasses import dataclass

from flyte.errors import StorageError
from flyte.server.clock import system_clock
from flyte.server.executors.port import AttemptEnded, AttemptKey, Launch
from flyte.server.executors.process.journal import Journal, Promise
from flyte.server.executors.process.output import Output
from flyte.server.executors.process.processes import (
    ATTEMPT_VARIABLE,
    Usage,
    by_attempt,
    end_group,
    end_process,
    leads_session,
    limit_files,
    signal_group,
    start_time,
)
from flyte.server.executors.process.reaper import Reaper
from flyte.storage.port import join, store_for

log = logging.getLogger("flyte.supervisor")

TOKEN_FILE_VARIABLE = "FLYTE_ATTEMPT_TOKEN_FILE"  # noqa: S105  the name of a variable
LARGEST_ERROR = 4 * 1024 * 1024
"""Bytes that an error document may have; a larger one is not sent on."""
_SEARCH_SECONDS = 2.0
_LOOK_SECONDS = 0.2
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME", "SSL_CERT_FILE", "SSL_CERT_DIR",
              "FLYTE_HOME", "FLYTE_AWS_ENDPOINT", "FLYTE_AWS_ACCESS_KEY_ID", "FLYTE_AWS_SECRET_ACCESS_KEY",
              "AWS_REGION", "CUDA_HOME", "LD_LIBRARY_PATH")  # fmt: skip


def argv_of(launch: Launch) -> list[str]:
    """The command line: `a0` of the interpreter's own environment in place of the bare name.

    Raises:
        ValueError: It is empty.
    """
    if not launch.argv:
        raise ValueError("its command line is empty")
    if launch.argv[:1] != ("a0",):
        return list(launch.argv)
    script = pathlib.Path(launch.interpreter).parent / "a0"
    if script.is_file() and os.access(script, os.X_OK):
        return [str(script), *launch.argv[1:]]
    return [launch.interpreter, "-m", "flyte.runtime.a0", *launch.argv[1:]]


def environment_of(launch: Launch, folder: pathlib.Path) -> dict[str, str]:
    """A clean environment, what the contract and the user ask for, and the way to the token."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # A crash of native code tells its stack, also while the program is still being loaded.
    env = {"PYTHONFAULTHANDLER": "1", **passed, **launch.env}
    programs = str(pathlib.Path(launch.interpreter).parent)
    env["PATH"] = f"{programs}{os.pathsep}{env.get('PATH', os.defpath)}"
    env["PYTHONUNBUFFERED"] = "1"
    env[TOKEN_FILE_VARIABLE] = str(folder / "token")
    env[ATTEMPT_VARIABLE] = str(folder)
    env.pop("PYTHONHOME", None)
    return env


class RunningAttempt:
    """A process group that this supervisor started or adopted. Use one of `start` and `adopt`, then `wait`."""

    def __init__(self, key: AttemptKey, journal: Journal, output: Output) -> None:
        self.key = key
        self.pid = 0
        self._journal = journal
        self._output = output
        self._folder = journal.folder(key)
        self._process_start = ""
        self._is_child = False
        self._gone: asyncio.Future[tuple[int | None, Usage]] = asyncio.get_running_loop().create_future()
        self._was_stopped = False
        self._killer: asyncio.TimerHandle | None = None

    def start(self, launch: Launch, reaper: Reaper, file_limits: tuple[int, int] | None = None) -> None:
        """Start the process.

        Args:
            file_limits: How many files it may open, where that is not what this process may.

        Raises:
            OSError, ValueError: It cannot be started; nothing of it is left.
        """
        self._journal.begin(launch)
        self._output.open()
        try:
            output = self._output.writer()
            try:
                self.pid = _spawn(argv_of(launch), environment_of(launch, self._folder), self._folder / "work", output)
            finally:
                os.close(output)
        except BaseException:
            self._output.close()
            raise
        self._is_child = True
        reaper.expect(self.pid, str(self._folder), self._ended)
        try:
            if file_limits is not None:
                limit_files(self.pid, file_limits)
            self._process_start = start_time(self.pid) or ""
            self._note_process(self.pid, self._process_start)
        except BaseException:
            end_group(self.pid)
            self._output.close()
            raise

    def _note_process(self, pid: int, started: str) -> None:
        # It runs, so from here on nothing may say that it does not. Without the note a successor searches for it.
        try:
            self._journal.keep_process(self.key, pid, started)
        except OSError as e:
            log.warning("process %d of %s cannot be noted: %s", pid, self.key, e)

    def note(self, text: str) -> None:
        """Leave a line of the system in the log of an attempt that has no process."""
        with contextlib.suppress(OSError):
            self._output.open()
            self._output.finish(text)

    def _ended(self, status: int | None, usage: Usage) -> None:
        if not self._gone.done():
            self._gone.set_result((status, usage))

    async def adopt(self) -> bool:
        """Take over what a predecessor started; False when it is gone. `wait` tells of the end in both cases.

        Raises:
            OSError: Its files cannot be used. What lived of it was ended.
        """
        try:
            self._output.open()
            known = self._journal.process(self.key) or await self._search()
        except OSError:
            self._output.close()
            self._end_named()
            raise
        if known is not None and start_time(known[0]) == known[1]:
            self.pid, self._process_start = known
            return True
        self._ended(None, Usage())
        return False

    async def _search(self) -> tuple[int, str] | None:
        """Find a process that was started, but not noted before its supervisor was killed.

        While anybody has the pipe open there is one, although it may not have come to its own environment yet.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SEARCH_SECONDS
        while True:
            is_open = self._is_open()
            for pid, folder in by_attempt():
                if folder == str(self._folder) and leads_session(pid):
                    started = start_time(pid)
                    if started is not None:
                        self._note_process(pid, started)
                        return pid, started
            if not is_open or loop.time() > deadline:
                return None
            await asyncio.sleep(0.02)

    def _is_open(self) -> bool:
        while (progress := self._output.take()) == "more":
            pass
        return progress == "empty"

    async def wait(self) -> AttemptEnded:
        """Take the output until the process is gone, end what it left behind, and tell how it ended."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._output.pipe, self._take)
        try:
            if not self._is_child and not self._gone.done():
                await self._watch_foreign()
            status, usage = await self._gone
        finally:
            loop.remove_reader(self._output.pipe)
            if self._killer is not None:
                self._killer.cancel()
        if not self._is_child:
            self._end_named()
        try:
            self._output.finish()
        except OSError as e:
            # How the task ended is known all the same.
            log.warning("the end of the log of %s is lost: %s", self.key, e)
        return await self._report(status, usage)

    def _end_named(self) -> None:
        """End what names this attempt. The number of its process may be anybody's by now."""
        for pid, folder in by_attempt():
            if folder == str(self._folder):
                end_process(pid)

    def _take(self) -> None:
        if self._output.take() == "closed":
            # Nobody has the pipe open any more: readable for ever, and nothing to read.
            asyncio.get_running_loop().remove_reader(self._output.pipe)

    async def _watch_foreign(self) -> None:
        """Wait for the end of a process that is not this one's child."""
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(self.pid)
                gone = asyncio.Event()
                loop = asyncio.get_running_loop()
                loop.add_reader(descriptor, gone.set)
                try:
                    if start_time(self.pid) == self._process_start:
                        await gone.wait()
                finally:
                    loop.remove_reader(descriptor)
                    os.close(descriptor)
        else:
            while start_time(self.pid) == self._process_start:
                await asyncio.sleep(_LOOK_SECONDS)
        self._ended(None, Usage())

    def stop(self, grace_seconds: float) -> None:
        """Ask the group to end, and after the grace period make it. Asked again, the earlier end counts."""
        loop = asyncio.get_running_loop()
        if not self._lives():
            return
        if not self._was_stopped:
            self._was_stopped = True
            signal_group(self.pid, signal.SIGTERM)
        if self._killer is None or self._killer.when() > loop.time() + grace_seconds:
            if self._killer is not None:
                self._killer.cancel()
            self._killer = loop.call_later(grace_seconds, self._kill)

    def _kill(self) -> None:
        if self._lives():
            end_group(self.pid)

    def _lives(self) -> bool:
        """Whether the number still is the process's own."""
        if self._gone.done():
            return False
        return self._is_child or start_time(self.pid) == self._process_start

    async def _report(self, status: int | None, usage: Usage) -> AttemptEnded:
        code = os.waitstatus_to_exitcode(status) if status is not None else None
        promise = self._journal.promise(self.key)
        left = await _look(promise, was_clean=code == 0)
        return AttemptEnded(
            key=self.key,
            at=system_clock(),
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else 0,
            has_outputs=left.has_outputs,
            error_document=left.error_document,
            lost_reason=left.problem,
            was_stopped=self._was_stopped,
            peak_memory_bytes=usage.peak_memory_bytes,
            cpu_seconds=usage.cpu_seconds,
        )


def _spawn(argv: list[str], env: dict[str, str], work: pathlib.Path, output: int) -> int:
    """Start a process as the leader of a session of its own, without anything of ours open."""
    process = subprocess.Popen(
        argv,
        env=env,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        close_fds=True,
    )
    # The reaper waits for it; without this the object would warn that it still runs.
    process.returncode = 0
    return process.pid


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What a process left: outputs, an error document, or a problem in finding out."""

    has_outputs: bool = False
    error_document: bytes = b""
    problem: str = ""


async def _look(promise: Promise | None, *, was_clean: bool) -> _Left:
    if promise is None:
        return _Left(problem="What the task was to leave is not known: its folder was damaged.")
    # Small files of this machine are read quicker than a thread is asked.
    if "://" not in promise.output_prefix or promise.output_prefix.startswith("file:"):
        return _result(promise, was_clean=was_clean)
    return await asyncio.to_thread(_result, promise, was_clean=was_clean)


def _result(promise: Promise, *, was_clean: bool) -> _Left:
    try:
        store = store_for(promise.output_prefix)
        uri = join(promise.output_prefix, "error.pb")
        size = store.size(uri)
        if size is not None and size > LARGEST_ERROR:
            return _Left(problem=f"The task left an error document of {size:,} bytes, which is larger than allowed.")
        if size is not None:
            return _Left(error_document=store.read(uri))
        # Who promises no outputs need not leave any, but must end well.
        return _Left(
            has_outputs=store.exists(join(promise.output_prefix, "outputs.pb"))
            or (was_clean and not promise.expects_outputs)
        )
    except (OSError, StorageError) as e:
        return _Left(problem=f"What the task left cannot be read: {e}")
