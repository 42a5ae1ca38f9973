"""One attempt: starting its process group, reading its log, and telling how it ended.

The process writes to a named pipe that it has open for reading too, so that the death of the supervisor neither
kills it nor loses a byte: the successor opens the pipe and reads on.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable

from flyte.errors import StorageError
from flyte.server.clock import system_clock
from flyte.server.executors.port import AttemptEnded, AttemptKey, Launch
from flyte.server.executors.process.logfile import LARGEST_LOG, LineCutter, Origin, encode_record
from flyte.server.executors.process.processes import end_group, make_fifo, signal_group, start_time, usage_of
from flyte.storage.port import join, store_for

log = logging.getLogger("flyte.supervisor")

TOKEN_FILE_VARIABLE = "FLYTE_ATTEMPT_TOKEN_FILE"  # noqa: S105  the name of a variable
ATTEMPT_VARIABLE = "FLYTE_ATTEMPT"
_READ_BYTES = 256 * 1024
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME", "SSL_CERT_FILE", "SSL_CERT_DIR",
              "FLYTE_HOME", "FLYTE_AWS_ENDPOINT", "FLYTE_AWS_ACCESS_KEY_ID", "FLYTE_AWS_SECRET_ACCESS_KEY",
              "AWS_REGION", "CUDA_HOME", "LD_LIBRARY_PATH")  # fmt: skip


def argv_of(launch: Launch, default_python: str) -> list[str]:
    """The command line: `a0` of the interpreter's own environment in place of the bare name."""
    python = launch.interpreter or default_python
    command, *args = launch.argv
    if command != "a0":
        return [command, *args]
    script = pathlib.Path(python).parent / "a0"
    if script.is_file() and os.access(script, os.X_OK):
        return [str(script), *args]
    return [python, "-m", "flyte.runtime.a0", *args]


def environment_of(launch: Launch, folder: pathlib.Path, default_python: str) -> dict[str, str]:
    """A clean environment, what the contract and the user ask for, and the way to the token."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    python = pathlib.Path(launch.interpreter or default_python)
    env = {
        **passed,
        **launch.env,
        "PATH": f"{python.parent}{os.pathsep}{passed.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        TOKEN_FILE_VARIABLE: str(folder / "token"),
        ATTEMPT_VARIABLE: folder.name,
    }
    env.pop("PYTHONHOME", None)
    return env


class RunningAttempt:
    """A process group that this supervisor started or adopted.

    Args:
        grew: Told the size of the log when it has grown.
    """

    def __init__(
        self, key: AttemptKey, folder: pathlib.Path, log_path: pathlib.Path, grew: Callable[[int], None]
    ) -> None:
        self.key = key
        self.pid = 0
        self._folder = folder
        self._log_path = log_path
        self._grew = grew
        self._process_start = ""
        self._was_stopped = False
        self._dropped = 0
        self._fifo = -1
        self._killer: asyncio.TimerHandle | None = None

    def start(self, launch: Launch, default_python: str) -> None:
        """Start the process.

        Raises:
            OSError: It cannot be started.
        """
        folder = self._folder
        make_fifo(folder / "log.fifo")
        token = folder / "token"
        with open(token, "w", opener=lambda path, flags: os.open(path, flags, 0o600), encoding="utf-8") as file:
            file.write(launch.token)
        work = folder / "work"
        work.mkdir(exist_ok=True)
        (folder / "launch.json").write_text(
            json.dumps({"output_prefix": launch.output_prefix, "expects_outputs": launch.expects_outputs})
        )
        self._open_fifo()
        output = os.open(folder / "log.fifo", os.O_RDWR)
        try:
            self.pid = _spawn(
                argv_of(launch, default_python), environment_of(launch, folder, default_python), work, output
            )
        finally:
            os.close(output)
        self._process_start = start_time(self.pid) or ""
        (folder / "pid.json").write_text(json.dumps({"pid": self.pid, "start": self._process_start}))

    def adopt(self) -> bool:
        """Take over a process that a predecessor started; False when it is gone."""
        try:
            found = json.loads((self._folder / "pid.json").read_text())
        except (OSError, ValueError):
            return False
        self.pid, self._process_start = found["pid"], found["start"]
        make_fifo(self._folder / "log.fifo")
        self._open_fifo()
        return start_time(self.pid) == self._process_start

    def _open_fifo(self) -> None:
        self._fifo = os.open(self._folder / "log.fifo", os.O_RDONLY | os.O_NONBLOCK)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._fifo, fcntl.F_SETPIPE_SZ, 1024 * 1024)

    async def wait(self, *, is_child: bool) -> AttemptEnded:
        """Read the log until the process group is gone, then tell how it ended."""
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as segment:
            cutter = LineCutter()
            loop = asyncio.get_running_loop()
            loop.add_reader(self._fifo, self._copy, segment, cutter)
            try:
                status, usage = await (self._wait_child() if is_child else self._wait_foreign())
                # Whatever the task left behind in its group goes with it: nothing outlives its attempt.
                end_group(self.pid)
                self._copy(segment, cutter)
            finally:
                loop.remove_reader(self._fifo)
                if self._killer is not None:
                    self._killer.cancel()
            self._write(segment, cutter.finish(), "U")
            if self._dropped:
                notice = f"… the log is full: {self._dropped:,} further bytes were left out …"
                segment.write(encode_record(system_clock(), "S", notice.encode()))
            segment.flush()
            self._grew(segment.tell())
        os.close(self._fifo)
        return self._ended(status, usage)

    def _copy(self, segment: object, cutter: LineCutter) -> None:
        while True:
            try:
                data = os.read(self._fifo, _READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                # Nobody has the pipe open any more: readable for ever, and nothing to read.
                asyncio.get_running_loop().remove_reader(self._fifo)
                break
            self._write(segment, cutter.feed(data), "U")
            if len(data) < _READ_BYTES:
                break

    def _write(self, segment: object, lines: list[bytes], origin: Origin) -> None:
        if not lines:
            return
        at = system_clock()
        size = segment.tell()  # type: ignore[attr-defined]
        if size >= LARGEST_LOG:
            self._dropped += sum(len(line) + 1 for line in lines)
            return
        segment.write(b"".join(encode_record(at, origin, line) for line in lines))  # type: ignore[attr-defined]
        segment.flush()  # type: ignore[attr-defined]
        self._grew(segment.tell())  # type: ignore[attr-defined]

    async def _wait_child(self) -> tuple[int | None, object]:
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[tuple[int, object]] = loop.create_future()
        if hasattr(os, "pidfd_open"):
            descriptor = os.pidfd_open(self.pid)

            def reap() -> None:
                _, status, usage = os.wait4(self.pid, 0)
                if not gone.done():
                    gone.set_result((status, usage))

            loop.add_reader(descriptor, reap)
            try:
                return await gone
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        _, status, usage = await asyncio.to_thread(os.wait4, self.pid, 0)
        return status, usage

    async def _wait_foreign(self) -> tuple[int | None, object]:
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(self.pid)
                gone = asyncio.Event()
                loop = asyncio.get_running_loop()
                loop.add_reader(descriptor, gone.set)
                try:
                    await gone.wait()
                finally:
                    loop.remove_reader(descriptor)
                    os.close(descriptor)
            return None, None
        while start_time(self.pid) == self._process_start:
            await asyncio.sleep(0.2)
        return None, None

    def stop(self, grace_seconds: float) -> None:
        """Ask the group to end, and after the grace period make it."""
        if self._was_stopped:
            return
        self._was_stopped = True
        signal_group(self.pid, signal.SIGTERM)
        self._killer = asyncio.get_running_loop().call_later(grace_seconds, end_group, self.pid)

    def _ended(self, status: int | None, usage: object) -> AttemptEnded:
        used = usage_of(usage)
        code = os.waitstatus_to_exitcode(status) if status is not None else None
        outputs, document, problem = _result(self._folder)
        return AttemptEnded(
            key=self.key,
            at=system_clock(),
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else 0,
            has_outputs=outputs,
            error_document=document,
            lost_reason=problem,
            was_stopped=self._was_stopped,
            peak_memory_bytes=used.peak_memory_bytes,
            cpu_seconds=used.cpu_seconds,
        )


def _spawn(argv: list[str], env: dict[str, str], work: pathlib.Path, output: int) -> int:
    """Start a process as the leader of a session of its own, without anything of ours open."""
    import subprocess

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
    # The attempt reaps the process itself; without this the object would warn that it still runs.
    process.returncode = 0
    return process.pid


def _result(folder: pathlib.Path) -> tuple[bool, bytes, str]:
    """What the process left: outputs, an error document, or a problem in finding out."""
    try:
        launch = json.loads((folder / "launch.json").read_text())
        prefix = launch["output_prefix"]
        store = store_for(prefix)
        if store.exists(join(prefix, "error.pb")):
            return False, store.read(join(prefix, "error.pb")), ""
        return not launch["expects_outputs"] or store.exists(join(prefix, "outputs.pb")), b"", ""
    except (OSError, ValueError, KeyError, StorageError) as e:
        return False, b"", f"What the task left cannot be read: {e}"


def now_monotonic() -> float:
    """Seconds for measuring spans."""
    return time.monotonic()


def default_python() -> str:
    """The Python that runs this process."""
    return sys.executable
