"""Tasks that end in every way there is."""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flyte
import flyte.errors

env = flyte.TaskEnvironment("outcomes")


def note(file: str, text: str) -> None:
    """Append a line in one write, so that lines of several processes stay whole."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


@env.task
def about() -> str:
    """Everything a task can find out about itself."""
    ctx = flyte.ctx()
    assert ctx is not None
    return json.dumps(
        {
            "project": flyte.current_project(),
            "domain": flyte.current_domain(),
            "run": ctx.action.run_name,
            "action": ctx.action.name,
            "attempt": ctx.attempt_number,
            "mode": ctx.mode,
            "in_cluster": ctx.is_in_cluster(),
            "custom": ctx.custom_context,
            "group": ctx.group_data.name if ctx.group_data else None,
            "outputs": ctx.output_path,
            "cwd": str(pathlib.Path.cwd()),
            "files": sorted(os.listdir()),
            "secrets": sorted(k for k in os.environ if "TOKEN" in k or "API_KEY" in k),
            "token_file": os.path.exists(os.path.join(os.environ["FLYTE_ATTEMPT"], "token")),
        }
    )


@env.task
async def about_a_child() -> str:
    with flyte.group("mine"):
        return await about.aio()


@env.task
def exits_by_sys(code: int) -> int:
    sys.exit(code)


@env.task
def exits_at_once(code: int) -> int:
    os._exit(code)


@env.task
def exits_at_once_without_outputs() -> None:
    os._exit(0)


@env.task
def crashes() -> int:
    return ctypes.string_at(0)[0]


@env.task
def kills_itself(number: int) -> int:
    os.kill(os.getpid(), number)
    time.sleep(60)
    return 1


@env.task
def fails_with_a_cause() -> int:
    try:
        {}["inner"]
    except KeyError as e:
        raise ValueError("outer") from e
    return 1


class Odd(BaseException):
    pass


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@env.task
def raises(what: str) -> int:
    if what == "base":
        raise Odd("not an Exception")
    if what == "interrupt":
        raise KeyboardInterrupt("by hand")
    if what == "unprintable":
        raise Unprintable
    if what == "surrogate":
        raise ValueError("bad \udcff text")
    if what == "long":
        raise ValueError("x" * 5_000_000)
    if what == "group":
        raise ExceptionGroup("several", [ValueError("a"), TypeError("b")])
    raise AssertionError(what)


@env.task
def returns_a_lock() -> Any:
    return threading.Lock()


@env.task
def returns_the_wrong_type() -> int:
    return "no number"  # type: ignore[return-value]


@env.task
def returns_too_much() -> str:
    return "x" * 20_000_000


@env.task
def imports_what_is_absent() -> int:
    import surely_not_installed  # noqa: F401  # type: ignore[import-not-found]

    return 1


@env.task(retries=2)
def succeeds_at_last(file: str) -> int:
    number = flyte.ctx().attempt_number  # type: ignore[union-attr]
    note(file, f"{number} {pathlib.Path.cwd()}")
    print(f"this is attempt {number}")
    if number < 2:
        raise ValueError("not yet")
    return number


@env.task(retries=5)
def is_not_worth_retrying(file: str) -> int:
    note(file, "tried")
    raise flyte.errors.NonRecoverableError("never works")


@env.task
def prints_on_both() -> None:
    for i in range(200):
        print("out", i)
        print("err", i, file=sys.stderr)
    os.write(1, b"raw\n")
    os.system("echo from a shell; echo to its stderr > /dev/stderr")


@env.task
def closes_its_output() -> int:
    sys.stdout.close()
    sys.stderr.close()
    return 5


@env.task
def sleeps_and_cleans_up(file: str) -> int:
    note(file, f"pid {os.getpid()}")
    try:
        time.sleep(600)
    finally:
        note(file, "cleaned up")
    return 1


@env.task
async def async_sleeps_and_cleans_up(file: str) -> int:
    import asyncio

    note(file, f"pid {os.getpid()}")
    try:
        await asyncio.sleep(600)
    finally:
        note(file, "cleaned up")
    return 1


@env.task
def ignores_the_signal(file: str) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(file, f"pid {os.getpid()}")
    while True:
        time.sleep(1)


@env.task
async def never_run_by_a_zombie() -> None:
    """What a superseded attempt asks for."""


@env.task(retries=1)
def tells_its_token(file: str) -> int:
    from flyte.client.session import require_transport

    ctx = flyte.ctx()
    assert ctx is not None
    note(file, json.dumps([require_transport()._headers(), ctx.run_base_dir]))  # type: ignore[attr-defined]
    if ctx.attempt_number == 0:
        raise ValueError("again")
    time.sleep(600)
    return 1


@env.task(retries=1)
def takes_its_inputs_away(x: int) -> int:
    ctx = flyte.ctx()
    assert ctx is not None
    assert ctx.input_path is not None
    pathlib.Path(ctx.input_path.removeprefix("file://")).unlink()
    raise ValueError("once more, without inputs")


@env.task
def leaves_a_pool_open() -> int:
    pool = ThreadPoolExecutor(2)
    globals()["kept"] = pool
    return pool.submit(len, "four").result()


@env.task
async def returns_a_call_unawaited() -> int:
    return leaves_a_pool_open()
