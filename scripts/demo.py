"""`make demo`: start a backend of its own, run examples/weather.py through it, show the result, stop it.

Its data stay in .demo/, which can be deleted. Neither a running backend nor a configuration file of the user's
is touched or used.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
RECORD = HOME / "backend" / "backend.json"
FLYTE = [sys.executable, "-m", "flyte.cli.main"]


def environment() -> dict[str, str]:
    """The environment of the demo's commands: nothing of flyte's but the demo's own home."""
    mine = ("FLYTE_", "UCTL_", "FLYTECTL_")
    return {key: value for key, value in os.environ.items() if not key.startswith(mine)} | {"FLYTE_HOME": str(HOME)}


def flyte(*arguments: str) -> tuple[int, list[str]]:
    """Run a flyte command and show what it says as it says it; its exit code and its lines."""
    command = [*FLYTE, *arguments]
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(f"  {line}", end="", flush=True)
            lines.append(line.rstrip())
    return process.returncode, lines


def write_config() -> pathlib.Path:
    """A configuration file for the backend that runs, so that no other one is found."""
    url = json.loads(RECORD.read_text())["url"]
    config = HOME / "demo.yaml"  # not config.yaml, which whoever looks at .demo/ later would find
    sections = {
        "admin": {"endpoint": f"dns:///{url.partition('://')[2]}", "insecure": True},
        "task": {"project": "flytesnacks", "domain": "development"},
    }
    config.write_text(json.dumps(sections, indent=2) + "\n")  # JSON is YAML
    return config


def main() -> int:
    """Run the demo; its exit code is the run's."""
    HOME.mkdir(mode=0o700, exist_ok=True)
    print("$ flyte start backend --detach", flush=True)
    code, said = flyte("start", "backend", "--detach")
    if code != 0:
        return code
    ours = any(line.startswith("Started") for line in said)
    try:
        command = "run --follow examples/weather.py main --first-year 2012 --last-year 2015"
        print(f"$ flyte {command}", flush=True)
        before = time.monotonic()
        code, said = flyte("-c", str(write_config()), "--no-progress", *command.split())
        seconds = time.monotonic() - before
    finally:
        if ours:
            print("$ flyte stop backend", flush=True)
            flyte("stop", "backend")
    if code == 0:
        at = next(number for number, line in enumerate(said) if line.startswith("Run "))
        print(f"\nResult  {said[-1]}")
        print(f"Run     {said[at].removeprefix('Run ')}, {seconds:.1f} s")
        print(f"URL     {said[at + 1]}")
        print("\nThe backend is stopped, its data are kept in .demo/. It can be started again to look around:")
        print("  export FLYTE_HOME=$PWD/.demo; .venv/bin/flyte start backend --detach; .venv/bin/flyte get run")
        print("Next: the tour in README.md.", flush=True)
    return code


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
