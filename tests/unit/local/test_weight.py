"""What a local run needs: no network, and little of what else is installed."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import missing_part

HEAVY = {
    "google", "flyteidl2", "pydantic", "click", "rich", "rich_click", "obstore", "yaml", "pyqwest", "httpx", "http",
    "connectrpc", "msgpack", "mashumaro", "cloudpickle", "uvicorn", "starlette", "numpy", "pandas", "ssl", "email",
}  # fmt: skip

PROGRAM = """
import json, sys
import flyte
env = flyte.TaskEnvironment(name="light")

@env.task
def add(x: int, y: float = 2, name: str = "n", flag: bool = False, more: list[int] | None = None) -> float:
    return x + y

@env.task
{form} main(x: int) -> float:
    return {call}

run = flyte.run(main, x=1)
assert run.outputs()[0] == 3.0, run
json.dump(sorted(sys.modules), sys.stdout)
"""


def _modules(folder: pathlib.Path, form: str, call: str) -> list[str]:
    script = folder / "light.py"
    script.write_text(PROGRAM.format(form=form, call=call))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_a_run_of_scalars_loads_no_third_party_package_and_no_asyncio(tmp_path: pathlib.Path) -> None:
    loaded = {name.partition(".")[0] for name in _modules(tmp_path, "def", "add(x)")}
    assert loaded & (HEAVY | {"asyncio"}) == set()


def test_an_asynchronous_run_of_scalars_loads_asyncio_and_nothing_else_heavy(tmp_path: pathlib.Path) -> None:
    loaded = {name.partition(".")[0] for name in _modules(tmp_path, "async def", "await add.aio(x)")}
    assert loaded & (HEAVY - {"ssl"}) == set()  # asyncio itself loads ssl
    assert "asyncio" in loaded


def test_the_client_of_a_backend_is_not_loaded(tmp_path: pathlib.Path) -> None:
    loaded = _modules(tmp_path, "def", "add(x)")
    assert [name for name in loaded if name.startswith(("flyte.wire", "flyte.remote", "flyte.client.transport"))] == []


OFFLINE = """
import asyncio, dataclasses, socket
import flyte
env = flyte.TaskEnvironment(name="offline")

@dataclasses.dataclass
class Point:
    x: int

@env.task(cache="auto")
async def move(point: Point) -> Point:
    return Point(point.x + 1)

@env.task
async def main() -> int:
    points = await asyncio.gather(*[move(Point(i)) for i in range(3)])
    return sum(p.x for p in points)

try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError as e:
    print("no network:", e.errno)
print(flyte.run(main))
"""


@pytest.mark.part("unshare")
def test_a_local_run_works_without_a_network_interface(tmp_path: pathlib.Path, home: pathlib.Path) -> None:
    if shutil.which("unshare") is None or os.geteuid() != 0:
        missing_part("unshare", "a network namespace of its own needs root and unshare")
    script = tmp_path / "offline.py"
    script.write_text(OFFLINE)
    command: list[Any] = ["unshare", "-n", sys.executable, script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "unshare failed" in done.stderr:
        missing_part("unshare", done.stderr.strip())
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["no network: 101", "6"]
