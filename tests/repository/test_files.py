"""What is in the repository: files of readable length, and nothing that only exists where it was written."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).parent.parent.parent

Files = tuple[tuple[str, str], ...]

LONGEST_FILE = 600
"""Lines. A file that grows beyond has two subjects."""

GENERATED = ("src/flyte/wire/gen/", "src/flyte/__init__.pyi", "src/flyte/remote/__init__.pyi")

FOREIGN_PATH = re.compile("/" + r"(work|tmp|opt|root|home/\w+)/")
"""A folder of one machine; in two pieces, so that this file does not find itself."""


def test_no_source_file_is_longer_than_600_lines(files: Files) -> None:
    lines = {
        name: len(text.splitlines())
        for name, text in files
        if name.endswith((".py", ".sql", ".proto", ".pyi")) and not name.startswith(GENERATED)
    }
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_nothing_names_a_folder_of_one_machine(files: Files) -> None:
    told = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in files
        for number, line in enumerate(text.splitlines(), 1)
        if FOREIGN_PATH.search(line)
    ]
    assert told == []


def test_the_lock_file_names_the_public_index_only() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    registries = {package["source"].get("registry") for package in lock["package"]} - {None}
    assert registries == {"https://pypi.org/simple"}
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_every_module_says_what_it_is_for(files: Files) -> None:
    silent = [
        name
        for name, text in files
        if name.startswith("src/") and name.endswith(".py") and not name.startswith(GENERATED) and text
        if not text.startswith('"""')
    ]
    assert silent == []


def test_the_data_of_the_examples_is_that_of_its_source() -> None:
    vega = importlib.util.find_spec("vega_datasets")  # not imported: that would load pandas
    assert vega is not None and vega.origin is not None
    source = pathlib.Path(vega.origin).parent / "_data" / "seattle-weather.csv"
    ours = (ROOT / "examples" / "data" / "seattle-weather.csv").read_text().splitlines()
    header = [line for line in ours if line.startswith("#")]
    assert ours[len(header) :] == source.read_text().splitlines()
    assert "public" in " ".join(header) and "vega_datasets" in " ".join(header)
