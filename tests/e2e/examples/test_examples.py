"""Every example runs: through a backend, and in local mode."""

from __future__ import annotations

import ast
import os
import pathlib
import subprocess
import sys

import pytest

from tests.conftest import Backend

ROOT = pathlib.Path(__file__).parent.parent.parent.parent

GREETING = "Hello, Ada!"
POWERS = {"powers": [1.0, 2.0, 4.0, 8.0], "roots": [1.0, 2.0**0.5, 2.0, 8.0**0.5]}
TOLD = ["flaky worked at attempt 2", "hopeless failed with ValueError: there is no such column"]
YEAR = (
    "Summary(days=365, rain=828.0, wettest_year=2013, hottest=33.9, coldest=-7.1, "
    "kinds={'sun': 205, 'rain': 60, 'snow': 2, 'drizzle': 16, 'fog': 82})"
)

PROGRAMS = {
    "hello.py": (["main", "--name", "Ada"], repr(GREETING)),
    "fan_out.py": (["main", "--n", "4"], repr(POWERS)),
    "errors_and_retries.py": (["main"], repr(TOLD)),
    "weather.py": (["main", "--first-year", "2013", "--last-year", "2013"], YEAR),
    "deployed.py": (["total", "--prices", "[1.5, 2.5]"], "4.0"),
}


def local(path: pathlib.Path, *args: str, home: pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flyte.cli.main", "run", "--local", str(path), *args],
        cwd=ROOT, env={**os.environ, "FLYTE_HOME": str(home)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_no_example_is_without_a_test() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_example_gives_its_result_through_a_backend(backend: Backend, name: str) -> None:
    args, expected = PROGRAMS[name]
    done = backend.cli("run", f"examples/{name}", *args, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [expected]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_example_gives_the_same_in_local_mode(flyte_home: pathlib.Path, name: str) -> None:
    args, expected = PROGRAMS[name]
    done = local(ROOT / "examples" / name, *args, home=flyte_home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == expected


def test_weather_says_which_years_it_has(backend: Backend) -> None:
    done = backend.cli("run", "examples/weather.py", "main", "--first-year", "1999", "--last-year", "1999", cwd=ROOT)
    assert done.returncode == 1
    assert "has no days of 1999; it covers 2012 to 2015" in done.stderr


def test_weather_tries_its_check_again(backend: Backend) -> None:
    args, _ = PROGRAMS["weather.py"]
    done = backend.cli("run", "--name", "tried-again", "examples/weather.py", *args, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    actions = backend.cli("get", "action", "tried-again").stdout.splitlines()
    (check,) = (line.split() for line in actions if " weather.check " in line)
    assert check[check.index("succeeded") + 2] == "2"  # attempts, after the parent
    assert sum(" weather.month " in line for line in actions) == 12


def test_hello_is_a_program_of_its_own(backend: Backend) -> None:
    done = run_as_program(backend, "hello.py")
    assert done.stdout.splitlines()[-1] == GREETING
    assert done.stdout.splitlines()[0].startswith(f"{backend.url}/")


def test_deployed_deploys_and_runs_by_name(backend: Backend) -> None:
    told = run_as_program(backend, "deployed.py").stdout.splitlines()
    assert told[0].startswith("Deployment(envs=[Deployment(env=[deployed], entities=[DeployedTask(name=deployed.total")
    assert told[1:] == ["4.0", "SUCCEEDED 30.0"]
    again = backend.cli("run", "deployed-task", "deployed.total", "--prices", "[3.0]")
    assert again.stdout.splitlines() == ["3.0"]


def run_as_program(backend: Backend, name: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, f"examples/{name}"], cwd=ROOT, env=backend.env(FLYTECTL_CONFIG=str(backend.config)),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_says_what_it_shows_and_how_it_is_run(name: str) -> None:
    told = ast.get_docstring(ast.parse((ROOT / "examples" / name).read_text())) or ""
    assert f"examples/{name}" in told
