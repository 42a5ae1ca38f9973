"""Both clients submit the same programs to a recorder: what they send is equal, field by field.

What is left out of the comparison, and why, is told in `comparing.py`.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.compat.cases import CASES, Case
from tests.compat.comparing import comparable, differences
from tests.compat.conftest import Official
from tests.compat.recording import Recorder, client_config, recording

PROGRAMS = pathlib.Path(__file__).parent / "programs"
METHODS = ("CreateUploadLocation", "UploadInputs", "CreateRun", "DeployTask")
ENDS_ALONE = 120


@dataclass(frozen=True)
class Side:
    """What one client sent, and what it printed."""

    recorder: Recorder
    printed: dict[str, str]


def _code(folder: pathlib.Path) -> pathlib.Path:
    """The programs in a git repository with a remote, so that documentation has links."""
    code = folder / "code"
    shutil.copytree(PROGRAMS, code, ignore=shutil.ignore_patterns("__pycache__"))
    for command in (
        "init -q -b main", "config user.email a@example.com", "config user.name a",
        "remote add origin git@github.com:acme/flows.git", "add .", "commit -q -m programs",
    ):  # fmt: skip
        subprocess.run(["git", *command.split()], cwd=code, check=True)
    return code


def _side(folder: pathlib.Path, code: pathlib.Path, command: list[str], env: dict[str, str], *, ours: bool) -> Side:
    folder.mkdir()
    with recording(folder) as recorder:

        def submit(case: Case) -> str:
            config = client_config(folder, recorder.port, case.name)
            argv = list(case.argv)
            if ours and argv[0] == "run":  # theirs never waits
                argv.insert(1, "--detach")
            done = subprocess.run(
                [*command, "-c", str(config), *argv], cwd=code / case.folder, env=env, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=ENDS_ALONE,
                check=False,
            )  # fmt: skip
            return f"exit code {done.returncode}\n{done.stdout}"

        with ThreadPoolExecutor(2) as two:
            printed = dict(zip([case.name for case in CASES], two.map(submit, CASES), strict=True))
    return Side(recorder, printed)


@pytest.fixture(scope="module")
def sides(official: Official, tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    """What theirs and ours sent for every case."""
    folder = tmp_path_factory.mktemp("recorded")
    code = _code(folder)
    home = folder / "home"
    home.mkdir()
    env = {**os.environ, "HOME": str(home), "FLYTE_HOME": str(home / ".flyte"), "PYTHONDONTWRITEBYTECODE": "1"}
    theirs = _side(folder / "theirs", code, [str(official.folder / "bin" / "flyte")], official.env(), ours=False)
    ours = _side(folder / "ours", code, [sys.executable, "-m", "flyte.cli.main"], env, ours=True)
    return theirs, ours


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_client_sends_what_the_official_one_sends(case: Case, sides: tuple[Side, Side]) -> None:
    theirs, ours = sides
    version = case.argv[case.argv.index("--version") + 1] if "--version" in case.argv else None
    found = []
    for method in METHODS:
        expected = [comparable(m, version) for m in _sorted(theirs.recorder.of(method, case.name))]
        sent = [comparable(m, version) for m in _sorted(ours.recorder.of(method, case.name))]
        if len(expected) != len(sent):
            found.append(f"{method}: {len(expected)} of theirs, {len(sent)} of ours")
            continue
        for a, b in zip(expected, sent, strict=True):
            found += [f"{method}{difference}" for difference in differences(a, b)]
    submitted = "DeployTask" if case.argv[0] == "deploy" else "CreateRun"
    assert theirs.recorder.of(submitted, case.name), theirs.printed[case.name][-2000:]
    assert not found, "\n".join([*found[:20], "what ours printed:", ours.printed[case.name][-1500:]])


def _sorted(messages: list[object]) -> list[object]:
    """Deployments are concurrent: in the order of their tasks' names."""
    return sorted(messages, key=lambda m: m.task_id.name if hasattr(m, "spec") else "")


def test_documentation_links_to_the_line_of_the_function(sides: tuple[Side, Side]) -> None:
    theirs, ours = sides
    links = [
        {m.task_id.name: m.spec.documentation.source_code.link for m in side.recorder.of("DeployTask", "nested-deploy")}
        for side in (theirs, ours)
    ]
    assert links[0] == links[1]
    assert links[1]["nested.leaf"].endswith("/nested.py#L11")


def test_both_clients_upload_one_archive_and_name_it_in_the_task(sides: tuple[Side, Side]) -> None:
    for side in sides:
        (request,) = side.recorder.of("CreateRun", "nested")
        (location,) = side.recorder.of("CreateUploadLocation", "nested")
        args = list(request.task_spec.task_template.container.args)
        uri = args[args.index("--tgz") + 1]
        assert uri.endswith(location.filename)
        assert pathlib.Path(uri.removeprefix("file://")).stat().st_size > 100
