"""Every sample of the five documents does what the documents say."""

from __future__ import annotations

import pathlib
import re
import shutil

import pytest

from tests.conftest import Backend, missing_part
from tests.mission.documents import FLATTENED, folder_of_documents, in_copies, in_documents
from tests.mission.harness import BUILT, Manifest, Mode, Trial, try_sample

MANIFEST = Manifest()

_ELIDED = {"    ...\n", "        ...\n", '--name "World\n'}
_PLACEHOLDER = re.compile(r"<\w[\w-]*>|\[ ?--<.*\]|\[\.\.\.\]")
_CODE = re.compile(r"^(flyte \w+ .*\.|# |\w+ = flyte\.)", re.MULTILINE)
"""How a line of code begins in the document that lost its fences."""


def variants() -> list[tuple[Trial, Mode | None]]:
    """Each sample in each of its modes."""
    found: list[tuple[Trial, Mode | None]] = []
    for trial in MANIFEST.trials:
        if trial.kind == "module":
            found += [(trial, mode) for mode in trial.modes]
            found += [(trial, trial.later["mode"])] if trial.later else []
        elif trial.kind != "reading":
            found.append((trial, None))
    return found


@pytest.mark.parametrize(
    ("trial", "mode"), variants(), ids=lambda value: value.at if isinstance(value, Trial) else str(value or "run")
)
def test_the_sample_does_what_its_document_says(
    trial: Trial, mode: Mode | None, backend: Backend, tmp_path: pathlib.Path
) -> None:
    is_later = bool(trial.later) and mode == trial.later["mode"]
    issue, waits_for = (trial.later["issue"], trial.later["waits_for"]) if is_later else (trial.issue, trial.waits_for)
    if issue > BUILT:
        pytest.skip(f"waits for issue {issue}: {waits_for}")
    if trial.kind == "shell" and shutil.which("sh") is None:
        missing_part("shell", "there is no sh")
    try_sample(MANIFEST, trial, mode, backend, tmp_path)


def test_the_manifest_lists_every_sample_once() -> None:
    assert sorted(trial.at for trial in MANIFEST.trials) == sorted(MANIFEST.samples)


def test_only_what_the_documents_leave_open_is_replaced() -> None:
    for trial in MANIFEST.trials:
        for what, _ in trial.replace:
            assert what in _ELIDED or _PLACEHOLDER.search(what), f"{trial.at} replaces {what!r}"


def test_what_waits_says_what_for_and_what_is_read_says_why() -> None:
    for trial in MANIFEST.trials:
        assert (trial.kind == "reading") == bool(trial.why), trial.at
        assert (trial.issue > BUILT) == bool(trial.waits_for), trial.at
        assert trial.kind != "module" or trial.modes, trial.at
        assert trial.kind != "module" or trial.calls or trial.modes == ("declare",) or trial.modes == ["declare"], (
            trial.at
        )


def test_the_copies_are_the_documents_word_by_word() -> None:
    folder = folder_of_documents()
    if folder is None:
        pytest.skip("the documents are not at hand (FLYTE_MISSION_DOCUMENTS); their samples are tested from the copies")
    assert in_copies() == in_documents(folder)
    flat = next(folder.glob(f"{FLATTENED}*.txt")).read_text()
    for sample in in_copies():
        if sample.document == FLATTENED:
            assert sample.text.removesuffix("\n") in flat
    lines = {
        sample.line + offset
        for sample in in_copies()
        if sample.document == FLATTENED
        for offset in range(len(sample.text.splitlines()))
    }
    code = {flat.count("\n", 0, match.start()) + 1 for match in _CODE.finditer(flat)}
    assert code <= lines, "the document without fences has code that no sample covers"
