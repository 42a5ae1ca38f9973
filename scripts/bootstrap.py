"""Make a virtual environment of this repository from uv.lock, needing nothing but Python.

    python scripts/bootstrap.py [--runtime] [--target .venv]

uv is installed by pip into .venv-tools, where a uv on PATH stands in for it when that fails. Where uv cannot fetch
what the lock names (it does not read pip's configuration), pip installs the same versions, checked by their hashes.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv-tools"
UV = "uv>=0.5,<1"


def run(*command: str | pathlib.Path, **env: str) -> bool:
    """Run a program with our output; False when it fails."""
    merged = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"} | env
    return subprocess.run([str(word) for word in command], cwd=ROOT, env=merged, check=False).returncode == 0


def works(command: str | pathlib.Path) -> bool:
    """Whether a program is there and starts."""
    try:
        return subprocess.run([str(command), "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def fail(sentence: str) -> SystemExit:
    """The end, with a sentence."""
    print(f"Error: {sentence}", file=sys.stderr)
    return SystemExit(1)


def make_venv(target: pathlib.Path) -> list[str]:
    """An empty environment; the command of a pip that installs into it."""
    python = target / "bin" / "python"
    own_pip = [str(python), "-m", "pip"]
    if importlib.util.find_spec("ensurepip") and run(sys.executable, "-m", "venv", "--clear", target):
        return own_pip
    # Debian packs venv's pip apart from Python; a pip of the interpreter itself can install into any environment.
    if importlib.util.find_spec("pip") and run(sys.executable, "-m", "venv", "--clear", "--without-pip", target):
        return [sys.executable, "-m", "pip", "--python", str(python)]
    raise fail(
        f"{sys.executable} has neither ensurepip nor pip, so it cannot make a virtual environment. "
        "On Debian and Ubuntu: apt install python3-venv. Elsewhere: name another Python, make PYTHON=…"
    )


def find_uv() -> str:
    """The path of a uv that runs."""
    own = TOOLS / "bin" / "uv"
    if works(own):
        return str(own)
    on_path = shutil.which("uv")
    try:
        if run(*make_venv(TOOLS), "install", "--quiet", "--disable-pip-version-check", UV) and works(own):
            return str(own)
    except SystemExit:
        if on_path is None or not works(on_path):
            raise
    if on_path is not None and works(on_path):
        print(f"Using {on_path}.", file=sys.stderr)
        return on_path
    raise fail("pip could not install uv (see above), and there is none on PATH. Check pip's package index.")


def sync(uv: str, target: pathlib.Path, runtime: bool) -> bool:
    """Let uv make the environment; False when it cannot."""
    groups = ["--no-dev", "--inexact"] if runtime else []
    return run(
        uv, "sync", "--frozen", "--quiet", "--python", sys.executable, *groups,
        UV_PROJECT_ENVIRONMENT=str(target), UV_PYTHON_DOWNLOADS="never",
    )  # fmt: skip


def pip_install(uv: str, target: pathlib.Path, runtime: bool) -> None:
    """Let pip install what the lock says, by its own configuration."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted = pathlib.Path(scratch) / "requirements.txt"
        groups = ["--no-dev"] if runtime else []
        export = [uv, "export", "--frozen", "--quiet", "--no-emit-project", "--python", sys.executable, *groups]
        if not run(*export, "--output-file", wanted, UV_PYTHON_DOWNLOADS="never"):
            raise fail("uv could not read uv.lock (see above).")
        pip = [*make_venv(target), "install", "--quiet", "--disable-pip-version-check"]
        if not run(*pip, "--require-hashes", "-r", wanted) or not run(*pip, "--no-deps", "-e", "."):
            raise fail(f"Neither uv nor pip could install what {target.name} needs (see above).")


def main() -> int:
    """Make or bring up to date what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", action="store_true", help="only what using flyte needs, no tools and tests")
    parser.add_argument("--target", default=".venv", help="folder of the environment")
    options = parser.parse_args()
    target = ROOT / options.target
    kind = "what flyte needs" if options.runtime else "what flyte, its tools and its tests need"
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"Installing {kind} into {options.target} (Python {version}) …", file=sys.stderr, flush=True)
    uv = find_uv()
    if not sync(uv, target, options.runtime):
        print("uv could not; pip tries, with its own configuration …", file=sys.stderr, flush=True)
        pip_install(uv, target, options.runtime)
    (target / ".runtime").touch()
    if not options.runtime:
        (target / ".dev").touch()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
