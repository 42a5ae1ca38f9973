"""Run the tests on every Python that is here, and say at the end in one line how they ended.

    python scripts/test.py           everything on this Python, nearly all on each other one
    python scripts/test.py --quick   the quick layers, on this Python only

The last line is `N passed, N failed, N skipped`, over all runs; it is also written to .cache/tests/summary.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".cache" / "tests"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
QUICK = ("unit", "contract", "wire", "repository")
"""Folders of tests without real backends and tasks: the inner loop."""
ELSEWHERE = ("unit", "contract", "wire", "surface", "security", "mission", "e2e")
"""What other Pythons run: all but the repository's own files, which are the same, and the comparisons with the official
SDK, whose digests of function bodies are those of one Python."""
MOST_WORKERS = "8"
LONGEST_SECONDS = 45 * 60
"""A run that takes longer hangs."""


@dataclass(frozen=True)
class Counts:
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read_counts(report: pathlib.Path) -> Counts:
    """What a JUnit report says."""
    total = Counts()
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        total += Counts(tests - failed - skipped, failed, skipped)
    return total


def runs(python: str, version: str) -> bool:
    """Whether a path is a Python of that version that starts."""
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def candidates(version: str) -> Iterator[str]:
    """Where a Python of a version might be: on PATH, of pyenv, known to uv. None is downloaded."""
    yield shutil.which(f"python{version}") or ""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    yield from sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python{version}")), reverse=True)
    uv = ROOT / ".venv-tools" / "bin" / "uv"
    if uv.exists():
        command = [str(uv), "python", "find", "--no-python-downloads", "--system", version]
        yield subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def find_python(version: str) -> str | None:
    """A Python of a version on this machine, None where there is none."""
    return next((path for path in candidates(version) if path and runs(path, version)), None)


def pytest(python: pathlib.Path, version: str, folders: list[str]) -> Counts:
    """One run of pytest. A module's tests stay on one worker, because they share its backend."""
    report = REPORTS / f"{version}.xml"
    report.unlink(missing_ok=True)
    command = [
        str(python), "-m", "pytest", "-q", "--numprocesses", "auto", "--maxprocesses", MOST_WORKERS,
        "--dist", "loadfile", "--durations", "20", "--junitxml", str(report), *folders,
    ]  # fmt: skip
    print(f"\n== Python {version}: {' '.join(folders)}", flush=True)
    started = time.monotonic()
    try:
        code = subprocess.run(command, cwd=ROOT, check=False, timeout=LONGEST_SECONDS).returncode
    except subprocess.TimeoutExpired:
        print(f"The tests did not end within {LONGEST_SECONDS // 60} minutes.", flush=True)
        code = -1
    counts = read_counts(report) if report.exists() else Counts()
    if code != 0 and counts.failed == 0:
        counts += Counts(failed=1)  # pytest itself failed: a broken collection, a worker that died
    print(f"== Python {version}: {counts} in {time.monotonic() - started:.0f} s", flush=True)
    return counts


def on_other_python(version: str, folders: list[str]) -> Counts:
    """Some layers on another Python, in an environment of its own."""
    python = find_python(version)
    if python is None:
        print(f"\n== Python {version}: not on this machine, so nothing was tested on it", flush=True)
        return Counts()
    target = f".venv-{version}"
    bootstrap = [python, str(ROOT / "scripts" / "bootstrap.py"), "--target", target]
    if subprocess.run(bootstrap, cwd=ROOT, check=False).returncode != 0:
        print(f"== Python {version}: its environment could not be made", flush=True)
        return Counts(failed=1)
    return pytest(ROOT / target / "bin" / "python", version, folders)


def main() -> int:
    """Run what was asked for; 0 when nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only the quick layers, only this Python")
    parser.add_argument("--python", action="append", metavar="3.N", help="further Pythons; default: each that is here")
    options = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    quick = [f"tests/{name}" for name in QUICK]
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    total = pytest(pathlib.Path(sys.executable), own, quick if options.quick else ["tests"])
    if not options.quick:
        for version in options.python or VERSIONS:
            if version != own:
                total += on_other_python(version, [f"tests/{name}" for name in ELSEWHERE])
    (REPORTS / "summary").write_text(f"{total}\n")
    print(f"\n{total}", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
