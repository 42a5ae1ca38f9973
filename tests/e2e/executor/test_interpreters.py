"""Which Python runs a task: projects with environments of their own share one backend."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
from typing import Any

import pytest

import flyte
from flyte.client.session import require_transport
from flyte.errors import RpcError
from flyte.wire.gen.flyte.backend.v1 import system_pb2
from tests.conftest import ROOT

PROGRAM = """
import json
import sys

import flyte
import of_this_project

env = flyte.TaskEnvironment("project")


@env.task
def which() -> str:
    return json.dumps([of_this_project.VERSION, sys.prefix])


@env.task
async def main() -> list[str]:
    import asyncio
    return list(await asyncio.gather(which.aio(), which.aio())) + [json.dumps([of_this_project.VERSION, sys.prefix])]
"""


def make_environment(folder: pathlib.Path, version: str, *, with_flyte: bool = True) -> pathlib.Path:
    """A virtual environment with a package of its own, and this very flyte; gives its interpreter."""
    if shutil.which("uv") is not None:
        subprocess.run(
            ["uv", "venv", "--quiet", "--offline", "--python", sys.executable, str(folder)], check=True, timeout=120
        )
    else:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "of_this_project.py").write_text(f"VERSION = {version!r}\n")
    if with_flyte:
        # Everything that this environment has, below what the new one has itself.
        (packages / "shared.pth").write_text(f"{ROOT / 'src'}\n{sysconfig.get_paths()['purelib']}\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Two projects: a folder with a program, and an interpreter."""
    made = []
    for version in ("1.0", "2.0"):
        folder = tmp_path_factory.mktemp("project")
        (folder / "program.py").write_text(PROGRAM)
        made.append((folder, make_environment(folder / "venv", version)))
    return made


def test_two_projects_with_different_packages_run_on_one_backend_at_once(backend: Any, projects: Any) -> None:
    running = [
        subprocess.Popen(
            [str(python), "-m", "flyte.cli.main", "-c", str(backend.config), "run", "program.py", "main"],
            cwd=folder,
            env=backend.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        for folder, python in projects
    ]
    for (_, python), process, version in zip(projects, running, ("1.0", "2.0"), strict=True):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.count(f'"{version}"') == 3, "parent and children import the package of their project"
        assert out.count(str(python.parent.parent)) == 3


def test_a_module_of_the_other_environment_is_missed_by_name(
    backend: Any, projects: Any, tmp_path: pathlib.Path
) -> None:
    bare = make_environment(tmp_path / "venv", "3.0")
    (tmp_path / "program.py").write_text(
        "import flyte\nenv = flyte.TaskEnvironment('needy')\n"
        "@env.task\ndef main() -> int:\n    import package_of_nobody\n    return 1\n"
    )
    done = subprocess.run(
        [str(bare), "-m", "flyte.cli.main", "-c", str(backend.config), "run", "program.py", "main"],
        cwd=tmp_path, env=backend.env(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert str(bare) in done.stderr
    assert "'package_of_nobody'" in done.stderr


class Registering:
    """Asks the backend to accept an interpreter."""

    async def ask(self, executable: str, prefix: str = "", version: str = "") -> str:
        transport = require_transport()
        request = system_pb2.RegisterInterpreterRequest(
            executable=executable,
            prefix=prefix or sys.prefix,
            version=version or ".".join(map(str, sys.version_info[:3])),
            flyte_version="",
        )
        answer = await transport.unary("SystemService", "RegisterInterpreter", request)
        return str(answer.image)

    async def refused(self, executable: Any, **more: str) -> str:
        with pytest.raises(RpcError) as raised:
            await self.ask(str(executable), **more)
        assert raised.value.code in ("failed_precondition", "invalid_argument")
        return str(raised.value)


@pytest.fixture
def registering(backend: Any) -> Registering:
    flyte.init_from_config(backend.config)
    return Registering()


async def test_an_interpreter_gets_an_image_that_stays_the_same(registering: Registering) -> None:
    image = await registering.ask(sys.executable)
    assert image.startswith("env://local-")
    assert await registering.ask(sys.executable) == image


async def test_what_is_said_of_an_interpreter_is_checked_each_time(registering: Registering) -> None:
    await registering.ask(sys.executable)
    assert "not what the request says" in await registering.refused(sys.executable, prefix="/somewhere/else")
    assert "not what the request says" in await registering.refused(sys.executable, version="3.1.4")


async def test_relative_paths_and_what_is_not_there_are_refused(
    registering: Registering, tmp_path: pathlib.Path
) -> None:
    assert "absolute" in await registering.refused("bin/python")
    assert "no interpreter" in await registering.refused(tmp_path / "absent")


async def test_what_cannot_be_executed_is_refused(registering: Registering, tmp_path: pathlib.Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("text")
    assert "cannot be executed" in await registering.refused(plain)
    assert "cannot be executed" in await registering.refused(tmp_path)
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"\x00\x01\x02")
    nonsense.chmod(0o755)
    assert str(nonsense) in await registering.refused(nonsense)


async def test_a_program_that_is_no_interpreter_is_refused(registering: Registering, tmp_path: pathlib.Path) -> None:
    for text in ("#!/bin/sh\nexit 0\n", "#!/bin/sh\necho hello\n", "#!/bin/sh\nexit 3\n", "#!/bin/sh\necho '[1]'\n"):
        program = tmp_path / "program"
        program.write_text(text)
        program.chmod(0o755)
        assert str(program) in await registering.refused(program)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
async def test_files_of_other_users_are_refused(registering: Registering, tmp_path: pathlib.Path) -> None:
    theirs = tmp_path / "python"
    theirs.write_text("#!/bin/sh\nexit 0\n")
    theirs.chmod(0o755)
    os.chown(theirs, 12345, 12345)
    assert "belongs to another user" in await registering.refused(theirs)
    link = tmp_path / "link"
    link.symlink_to(sys.executable)
    os.lchown(link, 12345, 12345)
    assert "belongs to another user" in await registering.refused(link)


async def test_an_interpreter_without_flyte_is_refused(registering: Registering, tmp_path: pathlib.Path) -> None:
    python = make_environment(tmp_path / "venv", "1.0", with_flyte=False)
    message = await registering.refused(python, prefix=str(tmp_path / "venv"))
    assert "cannot import flyte" in message
    assert str(python) in message


async def test_an_interpreter_with_another_version_is_refused(registering: Registering, tmp_path: pathlib.Path) -> None:
    python = make_environment(tmp_path / "venv", "1.0", with_flyte=False)
    packages = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (packages / "flyte.py").write_text("")
    info = packages / "flyte_py-9.9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flyte-py\nVersion: 9.9.9\n")
    message = await registering.refused(python, prefix=str(tmp_path / "venv"))
    assert "9.9.9" in message
