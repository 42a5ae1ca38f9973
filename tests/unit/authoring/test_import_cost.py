"""Declaring tasks is cheap: what it must not load."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "asyncio", "typing_extensions", "google", "google.protobuf", "flyteidl2", "pydantic", "click", "rich", "yaml",
    "docstring_parser", "obstore", "pyqwest", "connectrpc", "cloudpickle", "msgpack", "mashumaro", "pandas", "numpy",
    "starlette", "uvicorn", "ssl", "flyte.types", "flyte.wire", "flyte.client", "flyte.runtime", "flyte.remote",
    "flyte.launch", "flyte.server", "flyte.cli",
)  # fmt: skip

DECLARING = """
import flyte

env = flyte.TaskEnvironment(
    "env",
    image=flyte.Image.from_debian_base().with_pip_packages("pandas"),
    resources=flyte.Resources(cpu=1, memory="1Gi", gpu="T4:1"),
    secrets=[flyte.Secret("key")],
    cache=flyte.Cache("auto"),
    reusable=flyte.ReusePolicy(),
)

@env.task
async def one(x: int, y: list[str] | None = None) -> dict[str, float]:
    '''Do one thing.

    Args:
        x: How much.
    '''
    return {}

@env.task(retries=flyte.RetryStrategy(3), timeout=flyte.Timeout(max_runtime=5), triggers=flyte.Trigger.daily())
def two(x: int = 1) -> str:
    return str(flyte.ctx().action)

two.override(retries=5)
assert two(3) == "None"
flyte.map, flyte.group
"""


def loaded(program: str) -> set[str]:
    """The modules that a program loads beyond those of a bare interpreter."""
    show = "\nimport sys; print('\\n'.join(sys.modules))"
    return {*run(program + show)} - {*run(show)}


def run(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_declaring_and_calling_a_task_loads_nothing_heavy() -> None:
    modules = loaded(DECLARING)
    assert "flyte.authoring.environment" in modules
    assert sorted(modules & {*HEAVY}) == []
    assert len(modules) <= 115


def test_importing_flyte_loads_flyte_alone() -> None:
    assert loaded("import flyte") == {"flyte"}
