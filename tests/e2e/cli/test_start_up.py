"""`--help` is quick, and runs nobody's code."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

FORBIDDEN = (
    "google.protobuf", "flyteidl2", "pydantic", "obstore", "pyqwest", "httpx", "urllib.request", "http.client", "yaml",
    "flyte.remote", "flyte.client", "flyte.wire", "flyte.types", "asyncio", "uvicorn", "msgpack", "cloudpickle",
)  # fmt: skip


def modules_after(*args: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    script = (
        "import json, sys\nfrom flyte.cli.main import main\n"
        f"try:\n    main({list(args)!r})\nexcept SystemExit:\n    pass\n"
        "print('MODULES', json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(done.stdout.rpartition("MODULES ")[2]))


@pytest.mark.parametrize("args", [["--help"], ["get", "--help"], ["create", "--help"], ["nope"], ["get", "secret"]])
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    loaded = modules_after(*args)
    assert not [name for name in loaded if name in FORBIDDEN or name.startswith(tuple(f"{f}." for f in FORBIDDEN))]


def test_the_module_list_would_show_what_is_heavy() -> None:
    assert {"flyte.remote", "google.protobuf", "asyncio"} <= modules_after("run", "--help")


@pytest.mark.parametrize(
    "args",
    [["--help"], ["run", "--help"], ["deploy", "--help"], ["get", "run", "--help"], ["run"], ["--version"]],
)
def test_help_in_a_hostile_repository_runs_nothing_of_it(
    args: list[str], tmp_path: pathlib.Path, flyte_home: pathlib.Path
) -> None:
    evil = f"import pathlib\npathlib.Path({str(tmp_path / 'canary')!r}).touch()\n"
    names = ("flyte", "click", "yaml", "conftest", "setup", "sitecustomize", "json", "rich", "hello", "__init__")
    for name in names:
        (tmp_path / f"{name}.py").write_text(evil)
    (tmp_path / "config.yaml").write_text(f"admin: !!python/object/apply:os.mkdir ['{tmp_path / 'canary'}']\n")
    (tmp_path / ".env").write_text("FLYTE_ADMIN_ENDPOINT=evil.example\n")
    done = subprocess.run(
        [str(pathlib.Path(sys.executable).parent / "flyte"), *args],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Usage" in done.stdout + done.stderr or "flyte-py" in done.stdout
    assert not (tmp_path / "canary").exists()
    assert list(flyte_home.iterdir()) == []


def test_every_command_has_help_that_says_what_it_does() -> None:
    script = """
import rich_click as click
from flyte.cli.main import flyte

def walk(command, path):
    assert command.help, path
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.hidden or parameter.help, (path, parameter.name)
    if hasattr(command, "list_commands") and path not in ("flyte run", "flyte deploy"):
        context = click.Context(command)
        for name in command.list_commands(context):
            walk(command.get_command(context, name), f"{path} {name}")
    else:
        print(path)
walk(flyte, "flyte")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 17


@pytest.mark.parametrize(
    "args",
    [
        ["build", "x.py", "env"], ["serve"], ["rerun", "x"], ["signal"], ["edit"], ["update"], ["delete"], ["prefetch"],
        ["proxy"], ["gen", "docs"], ["start", "tui"], ["start", "devbox"], ["stop", "devbox"], ["get", "secret"],
        ["create", "secret", "x"], ["run", "hello"], ["run", "python-script", "x"], ["run", "--tui", "x"],
    ],
)  # fmt: skip
def test_what_is_not_built_is_said_in_one_sentence(args: list[str], tmp_path: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flyte.cli.main", *args],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "is not available in this version; docs/compatibility.md lists what is."
    )
