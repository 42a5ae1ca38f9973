"""`import flyte` costs nearly nothing: every task process and every command line pays for it."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = """
asyncio click cloudpickle connectrpc dataclasses flyteidl2 google.protobuf httpx mashumaro msgpack numpy obstore pandas
pydantic pyqwest requests rich rich_click ssl starlette urllib.request uvicorn uvloop yaml
"""
MOST_MODULES = 3


def modules_loaded_by(statement: str) -> set[str]:
    """What a statement adds to a fresh interpreter that has imported what it needs to say so."""
    told = "print(json.dumps(sorted(set(sys.modules) - before)))"
    script = f"import json, sys\nbefore = set(sys.modules)\n{statement}\n{told}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def heavy(modules: set[str]) -> set[str]:
    return {name for name in HEAVY.split() if any(m == name or m.startswith(f"{name}.") for m in modules)}


def test_import_flyte_loads_no_heavy_module() -> None:
    assert heavy(modules_loaded_by("import flyte")) == set()


def test_import_flyte_loads_at_most_three_modules() -> None:
    loaded = modules_loaded_by("import flyte")
    assert len(loaded) <= MOST_MODULES, sorted(loaded)


def test_declaring_a_task_loads_no_transport_and_no_values() -> None:
    statement = "import flyte\nenv = flyte.TaskEnvironment(name='e')\n@env.task\nasync def t(x: int) -> int: return x"
    assert heavy(modules_loaded_by(statement)) <= {"dataclasses"}


def test_a_heavy_module_would_be_noticed() -> None:
    assert heavy(modules_loaded_by("import flyte, yaml")) == {"yaml"}
