"""What type checkers see of the public names."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

from tests.conftest import missing_part

ROOT = pathlib.Path(__file__).parents[2]

GOOD = """
import asyncio

import flyte
from flyte.remote import Run, Task

env = flyte.TaskEnvironment(name="my_env", resources=flyte.Resources(cpu=1))


@env.task
async def greet(name: str, times: int = 1) -> str:
    return f"Hello, {name}!" * times


@env.task(retries=3)
def double(x: int) -> int:
    return x * 2


@env.task
async def both(names: list[str]) -> list[str]:
    with flyte.group("all"):
        return list(await asyncio.gather(*[greet(name) for name in names]))


number: int = double(2)
run: Run = flyte.run(greet, name="World")
again: Run = flyte.run("my_env.greet", name="World")
deployed: Run = flyte.run(Task.get("my_env.greet", auto_version="latest"), name="World")
local: Run = flyte.with_runcontext(mode="local", env_vars={"A": "b"}).run(greet, "World")
summary: str = flyte.deploy(env, version="v1")[0].summary_repr()
doubled: list[int] = list(flyte.map(double, [1, 2], return_exceptions=False))
version: str = flyte.__version__
domain: str = flyte.current_domain()
"""

BAD = {
    "flyte.run(greet, nmae='World')": "the name of an input",
    "flyte.run(greet, name='World', times='2')": "the type of an input",
    "flyte.run(42)": "what is run",
    "flyte.with_runcontext(mode='local', nmae='x')": "a parameter of the context",
    "flyte.deploy('env')": "what is deployed",
    "flyte.TaskEnvironment(nmae='my_env')": "a field of an environment",
    "flyte.nonsense": "a name",
    "wrong: str = double(2)": "what a task returns",
}


def check(command: list[str], path: pathlib.Path, *, whole_project: bool = False) -> list[int]:
    """The numbers of the lines that a checker complains about."""
    target = [] if whole_project else [str(path)]
    done = subprocess.run([*command, *target], capture_output=True, text=True, check=False, cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if f"{path.name}:" in line and "error" in line]
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert lines or done.returncode == 0, done.stdout + done.stderr
    return sorted({int(line.split(f"{path.name}:")[1].split(":")[0]) for line in lines})


def program(folder: pathlib.Path) -> tuple[pathlib.Path, list[int]]:
    """A program of good lines and bad ones, and the numbers of the bad ones."""
    first = len(GOOD.splitlines()) + 1
    path = folder / "sample.py"
    path.write_text(GOOD + "\n".join(BAD) + "\n")
    return path, list(range(first, first + len(BAD)))


def test_mypy_accepts_the_good_lines_and_refuses_each_bad_one(tmp_path: pathlib.Path) -> None:
    path, bad = program(tmp_path)
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = True\nmypy_path = {ROOT / 'src'}\nfollow_imports = silent\n")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(config),
        "--cache-dir",
        str(ROOT / ".mypy_cache" / "t"),
    ]
    assert check(command, path) == bad


def test_pyright_accepts_the_good_lines_and_refuses_each_bad_one(tmp_path: pathlib.Path) -> None:
    pyright = [sys.executable, "-m", "pyright"]
    probe = subprocess.run([*pyright, "--version"], capture_output=True, text=True, check=False, timeout=300)
    if probe.returncode != 0:
        missing_part("pyright", f"it does not start: {probe.stderr[-300:]}")
    path, bad = program(tmp_path)
    settings = {"extraPaths": [str(ROOT / "src")], "typeCheckingMode": "standard", "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    assert check([*pyright, "-p", str(tmp_path), "--pythonpath", sys.executable], path, whole_project=True) == bad
