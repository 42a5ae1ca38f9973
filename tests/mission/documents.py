"""The samples of the five documents: what is fenced in them, and the copies that this folder keeps.

The documents are not part of the repository. Where they are at hand (a folder named by FLYTE_MISSION_DOCUMENTS, or
`shared/mission` beside the checkout) the tests compare them with the copies, and

    python tests/mission/documents.py

writes the copies anew. A sample is named `DOCUMENT:LINE`, with the number of its first line.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

HERE = pathlib.Path(__file__).parent
COPIES = HERE / "samples"
FLATTENED = "003"
"""This document lost its fences: its code lines run into the prose that follows them."""

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FLAT_COMMAND = re.compile(r"^(flyte deploy .+?)(?=- The |All discovered|$)", re.MULTILINE)
_FLAT_PYTHON = re.compile(r"^# Define environments.*?version=\"v2\.0\.0\"\)(?=For detailed)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Sample:
    """One sample.

    Args:
        document: The first three digits of the document's name.
        line: Of its first line.
        language: What the fence says.
        text: Verbatim, without the fences.
    """

    document: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """`DOCUMENT:LINE`."""
        return f"{self.document}:{self.line}"

    @property
    def file(self) -> str:
        """The name of its copy."""
        return f"{self.document}_{self.line:04}.{self.language}"


def folder_of_documents() -> pathlib.Path | None:
    """Where the documents are, if they are at hand."""
    named = os.environ.get("FLYTE_MISSION_DOCUMENTS")
    folder = pathlib.Path(named) if named else HERE.parents[2] / "shared" / "mission"
    return folder if folder.is_dir() else None


def samples_of(document: str, text: str) -> Iterator[Sample]:
    """All samples of one document, in its order."""
    found = []
    if document == FLATTENED:
        found += [(match.start(1), "bash", match.group(1) + "\n") for match in _FLAT_COMMAND.finditer(text)]
        found += [(match.start(), "python", match.group() + "\n") for match in _FLAT_PYTHON.finditer(text)]
    found += [(match.start(2), match.group(1), match.group(2)) for match in _FENCE.finditer(text)]
    for start, language, sample in sorted(found):
        yield Sample(document, text.count("\n", 0, start) + 1, language, sample)


def in_documents(folder: pathlib.Path) -> list[Sample]:
    """All samples of all documents."""
    found: list[Sample] = []
    for path in sorted(folder.glob("0*.txt")):
        found += samples_of(path.name[:3], path.read_text())
    return found


def in_copies() -> list[Sample]:
    """All samples that this folder keeps."""
    found = []
    for path in sorted(COPIES.iterdir()):
        document, _, line = path.stem.partition("_")
        found.append(Sample(document, int(line), path.suffix[1:], path.read_text()))
    return found


def main() -> None:
    """Write the copies."""
    folder = folder_of_documents()
    if folder is None:
        sys.exit("The documents are not at hand: name their folder in FLYTE_MISSION_DOCUMENTS.")
    COPIES.mkdir(exist_ok=True)
    for old in COPIES.iterdir():
        old.unlink()
    for sample in in_documents(folder):
        (COPIES / sample.file).write_text(sample.text)


if __name__ == "__main__":
    main()
