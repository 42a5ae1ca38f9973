"""What every ObjectStore does, wherever the objects lie."""

from __future__ import annotations

import os
import pathlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from obstore.store import MemoryStore

from flyte.errors import StorageError
from flyte.storage import bucket
from flyte.storage.local import LocalStore
from flyte.storage.port import ObjectStore, join, store_for
from tests.conftest import missing_part


@dataclass(frozen=True)
class Place:
    """A store and an address below which the test may do what it likes."""

    store: ObjectStore
    root: str


@pytest.fixture(params=["path", "file", "synced", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "memory":
        inside = MemoryStore()
        monkeypatch.setattr(bucket, "_bucket", lambda _: inside)
        yield Place(store_for("s3://memory"), "s3://memory/below")
    elif request.param == "s3":
        name = os.environ.get("FLYTE_TEST_S3_BUCKET", "")
        if not name:
            missing_part("s3", "FLYTE_TEST_S3_BUCKET names no bucket (and FLYTE_AWS_ENDPOINT its server)")
        root = join(f"s3://{name}", tmp_path.name)
        yield Place(store_for(root), root)
    elif request.param == "path":
        yield Place(store_for(str(tmp_path)), str(tmp_path))
    else:
        root = (tmp_path / "with space").as_uri()
        yield Place(LocalStore(synced=True) if request.param == "synced" else store_for(root), root)


def test_an_object_is_read_as_it_was_written(place: Place) -> None:
    for data in (b"", b"x", bytes(range(256)) * 4096):
        uri = join(place.root, "a", "b", "object.bin")
        place.store.write(uri, data)
        assert place.store.read(uri) == data
        assert place.store.size(uri) == len(data) and place.store.exists(uri)


def test_what_is_not_there_is_said_so(place: Place) -> None:
    uri = join(place.root, "nothing")
    with pytest.raises(StorageError, match=r"There is no object at .*nothing") as caught:
        place.store.read(uri)
    assert caught.value.code == "NotFound"
    assert place.store.size(uri) is None and not place.store.exists(uri)
    assert list(place.store.list(join(place.root, "nowhere"))) == []


def test_a_folder_is_no_object(place: Place) -> None:
    place.store.write(join(place.root, "folder", "object"), b"x")
    assert not place.store.exists(join(place.root, "folder")) and place.store.size(join(place.root, "folder")) is None
    with pytest.raises(StorageError):
        place.store.read(join(place.root, "folder"))


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "with space",
        "100%.csv",
        "a%20b",
        "hash#mark",
        "what?",
        "ünï",
        "data.tmp",
        ".hidden",
        "x" * 200,
        "💾" * 60,
    ],
)
def test_an_object_of_any_name_is_listed_under_an_address_that_reads(place: Place, name: str) -> None:
    is_path = "://" not in place.root
    uri = join(place.root, "list", name if is_path else quote(name))
    place.store.write(uri, b"data")
    listed = list(place.store.list(join(place.root, "list")))
    assert len(listed) == 1 and place.store.read(listed[0]) == b"data"
    assert place.store.read(uri) == b"data"


@pytest.mark.parametrize("uri", ["s3:///no-bucket", "gs://"])
def test_a_bucket_that_cannot_be_is_refused_in_one_sentence(uri: str) -> None:
    store = store_for(uri)
    for verb in (store.read, store.size, lambda prefix: list(store.list(prefix))):
        with pytest.raises(StorageError, match=r"^The bucket \w+:// cannot be used: .+\.$"):
            verb(uri)


def test_keys_of_a_bucket_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = MemoryStore()
    monkeypatch.setattr(bucket, "_bucket", lambda _: inside)
    store, names = store_for("s3://memory"), ["a#1", "a#2", "a?x=1", "a%20b", "a b"]
    for name in names:
        store.write(f"s3://memory/keys/{name}", name.encode())
    assert [store.read(f"s3://memory/keys/{name}") for name in names] == [name.encode() for name in names]
    assert sorted(store.list("s3://memory/keys")) == sorted(f"s3://memory/keys/{name}" for name in names)


def test_a_reader_never_sees_half_an_object(place: Place) -> None:
    uri = join(place.root, "object")
    bodies = [bytes([i]) * 300_000 for i in range(20)]
    place.store.write(uri, bodies[0])
    ended = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not ended.is_set():
            seen.add(place.store.read(uri))

    reader = threading.Thread(target=read)
    reader.start()
    for body in bodies:
        place.store.write(uri, body)
    ended.set()
    reader.join()
    assert seen <= set(bodies)
    assert list(place.store.list(place.root)) and len(list(place.store.list(place.root))) == 1


# What follows belongs to files alone.


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "file" / "below", tmp_path / "folder", "a\0b", tmp_path / ("x" * 300)):
        with pytest.raises(StorageError, match="cannot be written"):
            LocalStore().write(str(target), b"data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("uri", ["file://evil/etc/passwd", "file://10.0.0.1/x"])
def test_a_file_of_another_machine_is_refused(uri: str) -> None:
    with pytest.raises(StorageError, match="another machine"):
        LocalStore().read(uri)


@pytest.mark.parametrize("uri", ["ftp://x/y", "gopher://x/y", "http://169.254.169.254/", "data://x"])
def test_an_unknown_kind_of_address_is_refused(uri: str) -> None:
    with pytest.raises(StorageError, match="cannot be reached"):
        store_for(uri)
