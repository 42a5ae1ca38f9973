"""Code bundles: which files, which digest, which archive."""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import pathlib
import sys
import tarfile
import types

import pytest

from flyte.bundle.archive import make_archive
from flyte.bundle.files import BundledFile, included_files, loaded_module_files
from flyte.errors import CodeBundleError, InvalidType, InvalidValue
from flyte.storage.archive import extract_tar_gz


def files_of(folder: pathlib.Path, **contents: str) -> list[BundledFile]:
    made = []
    for name, text in contents.items():
        path = folder / name
        path.write_text(text)
        made.append(BundledFile(name, path))
    return made


def test_the_digest_follows_from_paths_and_contents_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = make_archive(files_of(tmp_path / "a", x="1", y="2"))
    second = make_archive(list(reversed(files_of(tmp_path / "b", x="1", y="2"))))
    assert first.digest == second.digest
    assert first.data == second.data
    assert make_archive(files_of(tmp_path / "a", x="1", y="3")).digest != first.digest


def test_moving_bytes_between_files_changes_the_digest(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert (
        make_archive(files_of(tmp_path / "a", x="12", y="3")).digest
        != make_archive(files_of(tmp_path / "b", x="1", y="23")).digest
    )


def test_the_archive_does_not_tell_who_made_it_when(tmp_path: pathlib.Path) -> None:
    archive = make_archive(files_of(tmp_path, x="1"))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive.data))) as tar:
        (member,) = tar.getmembers()
    assert (member.name, member.uid, member.gid, member.uname, member.mtime) == ("x", 0, 0, "", 347155200)


def test_an_archive_is_extracted_as_it_was_packed(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source"
    (source / "package").mkdir(parents=True)
    (source / "package/module.py").write_text("x = 1\n")
    archive = make_archive([BundledFile("package/module.py", source / "package/module.py")])
    extract_tar_gz(archive.data, tmp_path / "out")
    assert (tmp_path / "out/package/module.py").read_text() == "x = 1\n"


def test_an_empty_bundle_is_an_error() -> None:
    with pytest.raises(CodeBundleError, match="no loaded module lies below"):
        make_archive([])


def test_an_unreadable_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CodeBundleError, match=r"gone\.py cannot be read"):
        make_archive([BundledFile("gone.py", tmp_path / "gone.py")])


def test_a_bundle_that_is_too_large_names_the_largest(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flyte.bundle.archive.LARGEST_BUNDLE", 10)
    with pytest.raises(CodeBundleError, match=r"The largest: big \(20 bytes\)"):
        make_archive(files_of(tmp_path, big="b" * 20, small="s"))


def test_loaded_modules_below_the_root_are_bundled_and_installed_ones_are_not(tmp_path: pathlib.Path) -> None:
    (tmp_path / "mine_loaded.py").write_text("import json\n")
    (tmp_path / "mine_unloaded.py").write_text("")
    (tmp_path / "site-packages").mkdir()
    spec = importlib.util.spec_from_file_location("mine_loaded", tmp_path / "mine_loaded.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mine_loaded"] = module
    try:
        spec.loader.exec_module(module)
        assert [file.path for file in loaded_module_files(tmp_path)] == ["mine_loaded.py"]
    finally:
        del sys.modules["mine_loaded"]


def test_an_environment_inside_the_root_is_left_out() -> None:
    root = pathlib.Path(__file__).parent.parent.parent.parent
    paths = [file.path for file in loaded_module_files(root)]
    assert not [path for path in paths if "site-packages" in path or path.startswith("src/flyte")]


def test_includes_are_relative_to_the_declaring_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "app/data").mkdir(parents=True)
    (tmp_path / "app/data/a.csv").write_text("a")
    (tmp_path / "app/data/b.csv").write_text("b")
    (tmp_path / "app/one.txt").write_text("1")
    found = included_files(tmp_path, tmp_path / "app/env.py", ("data", "one.txt"))
    assert [file.path for file in found] == ["app/data/a.csv", "app/data/b.csv", "app/one.txt"]
    assert [f.path for f in included_files(tmp_path, tmp_path / "app/env.py", ("data/*.csv",))] == [
        "app/data/a.csv",
        "app/data/b.csv",
    ]


def test_an_include_outside_the_root_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside.txt").write_text("")
    with pytest.raises(InvalidValue, match="lies outside the root"):
        included_files(tmp_path / "root", tmp_path / "root/env.py", ("../outside.txt",))


def test_a_link_that_leads_out_of_the_root_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("")
    (tmp_path / "root/link").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidValue, match="lies outside the root"):
        included_files(tmp_path / "root", tmp_path / "root/env.py", ("link",))


def test_an_include_that_matches_nothing_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CodeBundleError, match="matches nothing"):
        included_files(tmp_path, tmp_path / "env.py", ("nothing*",))


def test_a_linked_module_is_bundled_where_it_is_imported_from(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root/package").mkdir(parents=True)
    (tmp_path / "shared.py").write_text("x = 1\n")
    (tmp_path / "root/package/inner.py").write_text("y = 1\n")
    (tmp_path / "root/outer_link.py").symlink_to(tmp_path / "shared.py")
    (tmp_path / "root/inner_link.py").symlink_to(tmp_path / "root/package/inner.py")
    (tmp_path / "other_way").symlink_to(tmp_path / "root")
    for name in ("outer_link", "inner_link"):
        module = types.ModuleType(name)
        module.__file__ = str(tmp_path / "root" / f"{name}.py")
        monkeypatch.setitem(sys.modules, name, module)
    for root in (tmp_path / "root", tmp_path / "other_way"):
        files = {file.path: file.source for file in loaded_module_files(root)}
        assert files == {
            "inner_link.py": tmp_path / "root/package/inner.py",
            "outer_link.py": tmp_path / "shared.py",
        }


def test_included_links_are_files_at_their_own_place(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / "data/deep/a.csv").write_text("a")
    (tmp_path / "chosen").mkdir()
    (tmp_path / "chosen/link.csv").symlink_to(tmp_path / "data/deep/a.csv")
    (tmp_path / "chosen/folder").symlink_to(tmp_path / "data/deep")
    (tmp_path / "data/deep/round").symlink_to(tmp_path / "data/deep")
    found = included_files(tmp_path, tmp_path / "env.py", ("chosen",))
    assert [file.path for file in found] == ["chosen/folder/a.csv", "chosen/link.csv"]
    assert make_archive(found).files == ("chosen/folder/a.csv", "chosen/link.csv")


def test_what_is_no_file_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data/pipe")
    (tmp_path / "data/a.csv").write_text("a")
    assert [file.path for file in included_files(tmp_path, None, ("data",))] == ["data/a.csv"]


def test_an_include_that_is_not_text_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidType, match="include must be paths or globs as text, not 5"):
        included_files(tmp_path, None, (5,))  # type: ignore[arg-type]


def test_a_bundle_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flyte.bundle.archive.LARGEST_BUNDLE", 10)
    monkeypatch.setattr(pathlib.Path, "read_bytes", lambda _: pytest.fail("it was read"))
    with pytest.raises(CodeBundleError, match=r"has 20 bytes, and at most 10 are possible"):
        make_archive(files_of(tmp_path, big="b" * 20))


def test_a_file_whose_name_is_not_utf8_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(CodeBundleError, match=r"The name of 'a\\udcff' is not UTF-8"):
        make_archive([BundledFile("a\udcff", tmp_path / "a")])
