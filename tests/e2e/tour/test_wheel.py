"""The wheel holds all that an installation needs, and nothing else."""

from __future__ import annotations

import configparser
import pathlib
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent.parent


@pytest.fixture
def names(wheel: pathlib.Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_every_file_of_the_package(names: set[str]) -> None:
    package = ROOT / "src"
    ours = {
        path.relative_to(package).as_posix()
        for path in (package / "flyte").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == ours


def test_the_wheel_has_the_marker_of_types_the_queries_and_the_schema(names: set[str]) -> None:
    assert "flyte/py.typed" in names
    assert "flyte/__init__.pyi" in names
    assert "flyte/server/store/sql/schema.sql" in names
    assert "flyte/server/store/sql/queries/runs.sql" in names


def test_the_wheel_installs_the_commands_flyte_and_a0(wheel: pathlib.Path, names: set[str]) -> None:
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    parser = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        parser.read_string(archive.read(entry_points).decode())
    assert dict(parser["console_scripts"]) == {"flyte": "flyte.cli.main:main", "a0": "flyte.runtime.a0:main"}


def test_the_wheel_carries_its_licence(names: set[str]) -> None:
    assert any(name.endswith("/LICENSE") for name in names)


def test_the_source_archive_can_be_built_again(distribution: pathlib.Path) -> None:
    (source,) = distribution.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "src/flyte/py.typed"} <= inside
    assert any(name.startswith("proto/") and name.endswith(".proto") for name in inside)
    assert not any(name.startswith(("tests/", ".")) and name != ".gitignore" for name in inside)
