"""Tries a sample as the manifest says: lays its files out, defines what it needs, runs it in a fresh process.

A sample that needs deployed tasks has a project of its own, so that it meets no other sample's.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.conftest import Backend
from tests.mission.documents import HERE, Sample, in_copies

BUILT = 2
"""The samples of issues up to this number are to be green; those of later ones wait."""

Mode = Literal["declare", "local", "remote"]

_DRIVER = """
import importlib
import json
import sys

import flyte

mode, module, calls = sys.argv[1], importlib.import_module(sys.argv[2]), json.loads(sys.argv[3])
flyte.init_from_config()
for call in calls:
    run = flyte.with_runcontext(mode=mode).run(getattr(module, call["task"]), **call["inputs"])
    run.wait(quiet=True)
    got = run.outputs()[0]
    assert got == call["result"], f"{call['task']} gave {got!r}, not {call['result']!r}"
    assert run.status == "SUCCEEDED", run.status
    print(call["task"], "is", got)
"""

_DEPLOYER = """
import importlib
import json
import sys

import flyte
from flyte.errors import RpcError
from flyte.remote import Project

projects, deploys = json.loads(sys.argv[1]), json.loads(sys.argv[2])
flyte.init_from_config()
for project in projects:
    try:
        Project.create(project, project)
    except RpcError as e:
        assert e.code == "already_exists", e
for one in deploys:
    flyte.init_from_config(project=one.get("project"), domain=one.get("domain"))
    flyte.deploy(getattr(importlib.import_module(one["module"]), one["variable"]), version=one.get("version"))
"""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the manifest says of one sample. The fields are explained at the head of manifest.toml."""

    at: str
    kind: Literal["module", "script", "shell", "reading"]
    issue: int = 0
    waits_for: str = ""
    why: str = ""
    modes: tuple[Mode, ...] = ()
    later: dict[str, Any] = field(default_factory=dict)
    defines: tuple[str, ...] = ()
    after: str = ""
    file: str = "sample.py"
    files: dict[str, str] = field(default_factory=dict)
    deploys: tuple[dict[str, str], ...] = ()
    projects: tuple[str, ...] = ()
    replace: tuple[tuple[str, str], ...] = ()
    joined: bool = False
    prints: tuple[str, ...] = ()
    calls: tuple[dict[str, Any], ...] = ()


class Manifest:
    """The manifest and the samples that it is about."""

    def __init__(self) -> None:
        document = tomllib.loads((HERE / "manifest.toml").read_text())
        self.defines: dict[str, str] = document["defines"]
        self.files: dict[str, str] = document["files"]
        self.trials = [Trial(**row) for row in document["sample"]]
        self.samples: dict[str, Sample] = {sample.name: sample for sample in in_copies()}

    def text_of(self, what: str) -> str:
        """A block by the name of a sample, of a definition or of a file; any other text is itself."""
        if what in self.samples:
            return self.samples[what].text
        return self.defines.get(what) or self.files.get(what) or what

    def sample_text(self, trial: Trial) -> str:
        """The sample with its placeholders filled in."""
        text = self.samples[trial.at].text
        for placeholder, value in trial.replace:
            assert placeholder in text, f"{trial.at} has no {placeholder!r}"
            text = text.replace(placeholder, value)
        return re.sub(r"\n +", " " if trial.kind == "shell" else "", text) if trial.joined else text

    def program(self, trial: Trial) -> str:
        """The sample between what comes before it and what comes after."""
        return "\n".join([*(self.text_of(name) for name in trial.defines), self.sample_text(trial), trial.after])


def try_sample(manifest: Manifest, trial: Trial, mode: Mode | None, backend: Backend, folder: pathlib.Path) -> None:
    """Run one sample in a folder and a project of its own.

    Raises:
        AssertionError: It did not do what the manifest says; the message has what it printed.
    """
    config = json.loads(backend.config.read_text())
    own_project = ["m" + trial.at.replace(":", "-")] if trial.deploys else []
    config["task"]["project"] = own_project[0] if own_project else config["task"]["project"]
    (folder / "config.yaml").write_text(json.dumps(config))
    for name, text in trial.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(manifest.text_of(text))
    if trial.kind != "shell":
        (folder / trial.file).write_text(manifest.program(trial))
    projects = [*own_project, *trial.projects]
    if projects:
        _run([sys.executable, "-c", _DEPLOYER, json.dumps(projects), json.dumps(trial.deploys)], backend, folder)
    printed = _run(_command(manifest, trial, mode), backend, folder)
    for expected in trial.prints:
        before, found, printed = printed.partition(expected)
        assert found, f"{trial.at} did not print {expected!r}, but {before!r}"


def _command(manifest: Manifest, trial: Trial, mode: Mode | None) -> list[str]:
    if trial.kind == "shell":
        return ["sh", "-e", "-c", manifest.sample_text(trial)]
    if trial.kind == "script" or mode == "declare":
        return [sys.executable, trial.file]
    return [sys.executable, "-c", _DRIVER, str(mode), trial.file.removesuffix(".py"), json.dumps(trial.calls)]


def _run(command: list[str], backend: Backend, folder: pathlib.Path) -> str:
    """What a command prints; it must succeed."""
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    env = backend.env(PATH=path, PYTHONPATH=str(folder))
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"it ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout
