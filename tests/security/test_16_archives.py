"""Rule 16: archives that somebody else made write where they should, or not at all."""

from __future__ import annotations

import concurrent.futures
import gzip
import io
import os
import pathlib
import stat
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flyte.errors import CodeBundleError
from flyte.storage import archive
from flyte.storage.archive import extract_tar_gz

Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, **fields: object) -> Entry:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def packed(*entries: Entry, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def raw_header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """A header with fields that no proper writer makes."""
    header = bytearray(512)
    header[: len(name)] = name
    header[100:108], header[108:116], header[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    header[124 : 124 + len(size)], header[136:148] = size, b"00000000000\0"
    header[156:157], header[257:265] = kind, b"ustar\x0000"
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def pax(key: str, value: str) -> bytes:
    line = f" {key}={value}\n"
    length = len(line) + len(str(len(line) + 3))
    body = f"{length}{line}".encode()
    return raw_header(b"pax", b"%011o\0" % len(body), b"x") + body.ljust(512, b"\0")


def folders(tmp_path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Where to extract, and the folder around it in which nothing may appear."""
    around = tmp_path / "around"
    inside = around / "inside"
    inside.mkdir(parents=True)
    return inside, around


def everything(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_16_files_and_folders_are_extracted_as_they_were(tmp_path: pathlib.Path) -> None:
    inside, _ = folders(tmp_path)
    data = packed(
        entry("pkg/", b"", tarfile.DIRTYPE), entry("pkg/a.py", b"a"), entry("./b.py", b"b"), entry("empty", b""),
        entry("run.sh", b"#!", mode=0o6777), entry("deep/er/c.txt", b"c", mode=0o000), entry("ünï cödé.py", b"u"),
    )  # fmt: skip
    names = extract_tar_gz(data, inside)
    assert (inside / "pkg/a.py").read_bytes() == b"a" and (inside / "b.py").read_bytes() == b"b"
    assert stat.S_IMODE((inside / "run.sh").stat().st_mode) == 0o700  # neither setuid nor for others
    assert stat.S_IMODE((inside / "deep/er/c.txt").stat().st_mode) == 0o600
    assert len(names) == 6 and not list(inside.rglob("*.tmp"))


REFUSED: dict[str, bytes] = {
    "parent": packed(entry("../evil")),
    "parent in the middle": packed(entry("a/../../evil")),
    "parent that stays inside": packed(entry("a/../b")),
    "absolute": packed(entry("/etc/evil")),
    "double slash": packed(entry("//etc/evil")),
    "backslash": packed(entry("..\\evil")),
    "drive": packed(entry("C:evil")),
    "drive folder": packed(entry("C:/evil")),
    "symlink": packed(entry("link", b"", tarfile.SYMTYPE, linkname="/etc")),
    "symlink inside": packed(entry("a"), entry("link", b"", tarfile.SYMTYPE, linkname="a")),
    "file through a symlink": packed(entry("d", b"", tarfile.SYMTYPE, linkname="/tmp"), entry("d/evil")),
    "hard link": packed(entry("link", b"", tarfile.LNKTYPE, linkname="/etc/passwd")),
    "hard link to a sibling": packed(entry("a"), entry("b", b"", tarfile.LNKTYPE, linkname="a")),
    "character device": packed(entry("dev", b"", tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "block device": packed(entry("dev", b"", tarfile.BLKTYPE)),
    "fifo": packed(entry("pipe", b"", tarfile.FIFOTYPE)),
    "twice": packed(entry("a", b"1"), entry("a", b"2")),
    "twice by spelling of the path": packed(entry("a/b"), entry("a/./b"), entry("./a//b")),
    "twice by case": packed(entry("Read.me"), entry("README"), entry("read.me")),
    "twice by form of letters": packed(entry("\u00e9"), entry("e\u0301")),
    "file and folder": packed(entry("a/b"), entry("a")),
    "folder and file": packed(entry("a"), entry("a/b")),
    "folder over file": packed(entry("a"), entry("A/", b"", tarfile.DIRTYPE)),
    "control characters": packed(entry("a\x1b[31m")),
    "newline": packed(entry("a\nb")),
    "right to left": packed(entry("a\u202eb")),
    "long name": packed(entry("x" * 300)),
    "long path": packed(entry("/".join(["x" * 50] * 30))),
    "deep path": packed(entry("/".join(["x"] * 70))),
    "no name": packed(entry(".")),
    "sparse": gzip.compress(raw_header(b"s", b"00000000001\0", b"S") + b"\0" * 1536),
    "sparse by pax": gzip.compress(
        pax("GNU.sparse.size", "1000000000000") + raw_header(b"s", b"00000000001\0") + b"x".ljust(1536, b"\0")
    ),
    "name by pax": gzip.compress(
        pax("path", "/etc/evil") + raw_header(b"ok", b"00000000001\0") + b"x".ljust(1536, b"\0")
    ),
    "negative size": gzip.compress(raw_header(b"n", b"\xff" * 12) + b"\0" * 1536),
    "negative size by pax": gzip.compress(pax("size", "-512") + raw_header(b"n", b"00000000001\0") + b"\0" * 1536),
    "size beyond everything": gzip.compress(raw_header(b"n", b"\x80" + b"\x7f" * 11) + b"\0" * 1536),
    "name of a gigabyte": gzip.compress(raw_header(b"n", b"%011o\0" % 2**30, b"L") + b"\0" * 1536),
    "pax of a gigabyte": gzip.compress(raw_header(b"n", b"%011o\0" % 2**30, b"x") + b"\0" * 1536),
    "a chain of headers": gzip.compress(pax("comment", "x") * 5000 + raw_header(b"n", b"00000000000\0") + b"\0" * 1024),
    "a bomb": packed(entry("zeros", b"\0" * 50_000_000)),
    "truncated": packed(entry("a", os.urandom(5000)))[:-2000],
    "no gzip": b"no gzip",
    "no tar": gzip.compress(b"no tar" * 1000),
    "empty": b"",
    "broken gzip": packed(entry("a", os.urandom(5000)))[:1000] + b"\xff" * 3000,
    "damaged header behind the first entry": gzip.compress(
        raw_header(b"a", b"00000000001\0")
        + b"x".ljust(512, b"\0")
        + b"garbage".ljust(512, b"y")
        + raw_header(b"b", b"00000000001\0")
        + b"x".ljust(512, b"\0")
        + b"\0" * 1024
    ),
}


MAY_LEAVE_THE_FIRST = ("truncated", "broken gzip", "damaged header behind the first entry")


@pytest.mark.parametrize("name", REFUSED)
def test_16_a_trick_is_refused_and_nothing_is_written(tmp_path: pathlib.Path, name: str) -> None:
    inside, around = folders(tmp_path)
    with pytest.raises(CodeBundleError) as caught:
        extract_tar_gz(REFUSED[name], inside)
    assert "code bundle" in caught.value.message and caught.value.message.isprintable()
    assert everything(around) - {"inside"} <= ({"inside/a"} if name in MAY_LEAVE_THE_FIRST else set())


def test_16_too_many_entries_are_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_ENTRIES", 50)
    with pytest.raises(CodeBundleError, match="more than 50 entries"):
        extract_tar_gz(packed(*(entry(f"f{i}", os.urandom(100)) for i in range(51))), tmp_path)


def test_16_too_many_bytes_are_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST_TOTAL", 1000)
    with pytest.raises(CodeBundleError, match="far larger"):
        extract_tar_gz(packed(*(entry(f"f{i}", os.urandom(100)) for i in range(11))), tmp_path)


def test_16_a_link_that_was_there_before_leads_nothing_out(tmp_path: pathlib.Path) -> None:
    inside, around = folders(tmp_path)
    (around / "outside").mkdir()
    (around / "victim").write_bytes(b"safe")
    (inside / "folder").symlink_to(around / "outside")
    (inside / "file").symlink_to(around / "victim")
    for data in (packed(entry("folder/evil")), packed(entry("folder/evil/", b"", tarfile.DIRTYPE))):
        with pytest.raises(CodeBundleError, match="leads out"):
            extract_tar_gz(data, inside)
    extract_tar_gz(packed(entry("file", b"new")), inside)
    assert (around / "victim").read_bytes() == b"safe" and (inside / "file").read_bytes() == b"new"
    assert not list((around / "outside").iterdir())


def test_16_many_may_extract_the_same_archive_into_one_folder(tmp_path: pathlib.Path) -> None:
    files = {f"pkg{i % 7}/file{i}.py": os.urandom(3000) for i in range(60)}
    data = packed(*(entry(name, body) for name, body in files.items()))
    extract_tar_gz(data, tmp_path)

    def read_and_extract(_: int) -> bool:
        extract_tar_gz(data, tmp_path)
        return all((tmp_path / name).read_bytes() == body for name, body in files.items())

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read_and_extract, range(16)))
    assert not list(tmp_path.rglob("*.tmp"))


def spoilt(change: Callable[[bytearray], None]) -> bytes:
    tar = bytearray(gzip.decompress(packed(entry("a", b"1" * 600), entry("b/c", b"2"), entry("x" * 150, b"3"))))
    change(tar)
    return gzip.compress(bytes(tar))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=8))
def test_16_a_spoilt_archive_is_extracted_inside_or_refused(
    tmp_path: pathlib.Path, changes: list[tuple[int, int]]
) -> None:
    inside = tmp_path / "around" / "inside"
    inside.mkdir(parents=True, exist_ok=True)

    def change(tar: bytearray) -> None:
        for position, value in changes:
            tar[position % len(tar)] = value

    try:
        extract_tar_gz(spoilt(change), inside)
    except CodeBundleError:
        pass
    assert {path.name for path in (tmp_path / "around").iterdir()} == {"inside"}
    assert not any(path.is_symlink() for path in inside.rglob("*"))
