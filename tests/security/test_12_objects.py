"""Rules 12 to 15: names of uploads, signed addresses, overwriting, downloads."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import sqlite3
import time

import pytest

from flyte.server.signing import Grant, Signer
from tests.security.conftest import Raw

BAD_NAMES = [
    "..", ".", "../x", "..\\x", "a/b", "/etc/passwd", "\\\\server\\share", "C:\\x", "c:x", "%2e%2e", "%2e%2e%2fx",
    "%252e%252e", "..%2f", "..%c0%af", "a\0b", "a\nb", "a\rb", "a\tb", "\x1b[31m", "\x7f",
    "x" * 256, "x" * 5000,
    "💾" * 64, "\u202etxt.exe", "\u2066x", "\ufeffx", "\u200bx", "CON", "con.txt", "nul", "LPT1.log", "COM9",
    "~", "~root",
    "x*", "x?", "<x>", "x|y", '"x"', "name.", "name ", " name", ".bashrc", ".ssh",
]  # fmt: skip
BAD_ROOTS = [
    *(name for name in BAD_NAMES if name != "a/b"),
    "/abs",
    "//",
    "a//b",
    "a/../b",
    "a/./b",
    "a/",
    "/".join("x" * 600),
]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_12_a_file_name_that_is_more_than_a_name_is_refused(raw: Raw, name: str) -> None:
    answer = await raw.upload_location(b"x", name)
    assert answer.status == 400 and answer.code == "invalid_argument", answer


@pytest.mark.parametrize("root", BAD_ROOTS)
async def test_12_a_folder_that_is_more_than_names_is_refused(raw: Raw, root: str) -> None:
    answer = await raw.upload_location(b"x", "file", filenameRoot=root)
    if root == "a/":
        assert answer.status == 200
    else:
        assert answer.status == 400 and answer.code == "invalid_argument", answer


@pytest.mark.parametrize("scope", [{"project": "../x"}, {"project": "a/b"}, {"project": ""}, {"domain": ".."}])
async def test_12_a_project_or_domain_is_no_path(raw: Raw, scope: dict[str, str]) -> None:
    assert (await raw.upload_location(b"x", "file", **scope)).status == 400


async def test_12_an_upload_can_never_lie_in_the_folder_of_a_run(raw: Raw) -> None:
    answer = await raw.upload_location(b"x", "outputs.pb", filenameRoot="a0/1")
    folder = json.loads(answer.body)["nativeUrl"].split("/flytesnacks/development/")[1].split("/")[0]
    for project in ({"name": folder, "project": "flytesnacks", "domain": "development"},):
        made = await raw.rpc(
            json.dumps({"runId": project, "taskSpec": {}}).encode(), path="/flyteidl2.workflow.RunService/CreateRun"
        )
        assert made.status == 400 and folder.encode() in made.body


async def test_13_an_address_takes_its_own_body_and_no_other(raw: Raw) -> None:
    path = await raw.signed_path(b"right")
    md5 = base64.b64encode(hashlib.md5(b"right").digest()).decode()
    wrong = await raw.request("PUT", path, b"wrong")
    said = await raw.request("PUT", path, b"right", {"content-md5": base64.b64encode(b"x" * 16).decode()})
    lied = await raw.request("PUT", path, b"wrong", {"content-md5": md5})
    assert [wrong.status, said.status, lied.status] == [400, 400, 400]
    assert not list(raw.blobs.rglob("*.tmp"))
    assert (await raw.request("PUT", path, b"right", {"content-md5": md5})).status == 200


async def test_13_a_body_larger_than_announced_is_refused_also_in_chunks(raw: Raw) -> None:
    path = await raw.signed_path(b"12345", "large", contentLength=5)
    assert (await raw.request("PUT", path, b"123456")).status == 413
    head = f"PUT {path} HTTP/1.1\r\nhost: {raw.host}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    assert (await raw.send(head + b"6\r\n123456\r\n0\r\n\r\n")).status == 413
    assert (await raw.send(head + b"5\r\n12345\r\n" + b"100000\r\n" + b"x" * 0x100000 + b"\r\n0\r\n\r\n")).status == 413
    assert not [path for path in raw.blobs.rglob("*large*") if path.is_file()]
    assert (await raw.send(head + b"5\r\n12345\r\n0\r\n\r\n")).status == 200


async def test_13_an_upload_that_breaks_off_leaves_nothing(raw: Raw) -> None:
    path = await raw.signed_path(b"x" * 1000, "broken")
    _, writer = await asyncio.open_connection("127.0.0.1", raw.backend.port)
    writer.write(f"PUT {path} HTTP/1.1\r\nhost: {raw.host}\r\ncontent-length: 1000\r\n\r\nxxx".encode())
    await writer.drain()
    async with asyncio.timeout(10):
        while not list(raw.blobs.rglob("*.tmp")):
            await asyncio.sleep(0.01)
        writer.close()
        while list(raw.blobs.rglob("*.tmp")):
            await asyncio.sleep(0.01)
    assert not list(raw.blobs.rglob("broken"))


async def test_13_an_address_is_for_its_method_alone(raw: Raw) -> None:
    path = await raw.signed_path(b"method")
    for method in ("GET", "HEAD"):
        assert (await raw.request(method, path)).status == 403
    for method in ("DELETE", "PATCH", "OPTIONS"):
        assert (await raw.request(method, path, b"method")).status == 405
    assert (await raw.request("POST", path, b"method", {"content-type": "application/proto"})).status == 404
    assert (await raw.request("PUT", path, b"method")).status == 200
    assert (await raw.request("GET", path)).status == 403


async def test_13_an_address_that_was_tampered_with_is_refused(raw: Raw) -> None:
    path = await raw.signed_path(b"data", "file")
    ticket = path.split("/")[2]
    payload, digest = ticket.split(".")
    grant = json.loads(base64.urlsafe_b64decode(payload + "=="))
    grant["key"] = "flytesnacks/development/other"
    other = base64.urlsafe_b64encode(json.dumps(grant).encode()).rstrip(b"=").decode()
    for forged in (
        f"{other}.{digest}", f"{payload}.{digest[:-1]}x", f"{payload}.", payload, f".{digest}", "", ".", "a.b",
        f"{payload}.{digest}.{digest}", f"{payload}A.{digest}", ticket.swapcase(), f"{payload}%2e{digest}x", "é.é",
        f"%00{ticket}", f"../{ticket}", f"{ticket}%00",
    ):  # fmt: skip
        quoted = forged.replace("é", "%C3%A9")
        answer = await raw.request("PUT", f"/objects/{quoted}/file", b"data")
        assert answer.status in (403, 405), forged
    assert (await raw.request("PUT", f"/objects/{ticket}", b"data")).status == 200


def test_13_a_ticket_ends_with_its_time_and_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = Signer(b"key")
    ticket = signer.sign(Grant("PUT", "a/b", expires_at=1000, md5="m", size=5))
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert signer.check(ticket, "PUT") == Grant("PUT", "a/b", 1000, "m", 5)
    assert signer.check(ticket, "GET") is None and Signer(b"other").check(ticket, "PUT") is None
    monkeypatch.setattr(time, "time", lambda: 1001.0)
    assert signer.check(ticket, "PUT") is None


@pytest.mark.parametrize("asked", ["86400s", "0s", "-5s", "315576000000s", None])
async def test_13_no_address_lives_longer_than_a_quarter_of_an_hour(raw: Raw, asked: str | None) -> None:
    fields = {} if asked is None else {"expiresIn": asked}
    path = await raw.signed_path(b"life", **fields)
    grant = json.loads(base64.urlsafe_b64decode(path.split("/")[2].split(".")[0] + "=="))
    assert 0 < grant["expires_at"] - time.time() <= 15 * 60


async def test_14_two_uploads_to_one_name_with_different_contents_have_one_winner_for_ever(raw: Raw) -> None:
    paths = {data: await raw.signed_path(data, "race", filenameRoot="race") for data in (b"first", b"other")}
    answers = await asyncio.gather(*(raw.request("PUT", path, data) for data, path in paths.items() for _ in range(5)))
    statuses = {data: {a.status for a in answers[i * 5 : i * 5 + 5]} for i, data in enumerate(paths)}
    (kept,) = [path.read_bytes() for path in raw.blobs.rglob("race") if path.is_file()]
    assert statuses[kept] == {200}
    assert statuses[b"other" if kept == b"first" else b"first"] == {409}
    again = await raw.request("PUT", paths[kept], kept)
    assert again.status == 200


async def test_14_equal_names_with_different_contents_do_not_meet_unless_a_folder_is_given(raw: Raw) -> None:
    first, second = [json.loads((await raw.upload_location(data, "same")).body)["nativeUrl"] for data in (b"1", b"2")]
    assert first != second


async def test_14_a_folder_in_the_place_of_a_file_is_refused_not_replaced(raw: Raw) -> None:
    inner = await raw.signed_path(b"x", "inner", filenameRoot="tree/node")
    assert (await raw.request("PUT", inner, b"x")).status == 200
    outer = await raw.signed_path(b"y", "node", filenameRoot="tree")
    assert (await raw.request("PUT", outer, b"y")).status == 409
    below = await raw.signed_path(b"z", "z", filenameRoot="tree/node/inner")
    assert (await raw.request("PUT", below, b"z")).status in (409, 507)
    assert not list(raw.blobs.rglob("*.tmp"))


def signer_of(raw: Raw) -> Signer:
    connection = sqlite3.connect(raw.backend.data / "flyte.db")
    (key,) = connection.execute("SELECT value FROM meta WHERE key = 'signing_key'").fetchone()
    connection.close()
    return Signer(bytes.fromhex(key))


async def test_15_not_even_a_valid_signature_leads_out_of_the_blobs(raw: Raw) -> None:
    signer, later = signer_of(raw), int(time.time()) + 60
    (raw.blobs / "sub").mkdir(exist_ok=True)
    (raw.blobs / "sub" / "file").write_bytes(b"inside")
    (raw.blobs / "secret-link").symlink_to("/etc/passwd")
    (raw.blobs / "folder-link").symlink_to("/etc")
    (raw.blobs / "loop").symlink_to("loop")
    os.mkfifo(raw.blobs / "pipe")
    keys = [
        "../flyte.db", "../../x", "/etc/passwd", "sub/../../flyte.db", "secret-link", "folder-link/passwd", "loop",
        "pipe", "sub", "", ".", "nothing", "a\0b", "x" * 5000, "sub/file/below",
    ]  # fmt: skip
    for key in keys:
        ticket = signer.sign(Grant("GET", key, later))
        answer = await raw.request("GET", f"/objects/{ticket}/file", timeout=10)
        assert answer.status in (403, 404), key
        assert b"root:" not in answer.body
        if key not in ("nothing",):
            put = signer.sign(Grant("PUT", key, later, base64.b64encode(hashlib.md5(b"x").digest()).decode(), 1))
            answer = await raw.request("PUT", f"/objects/{put}/file", b"x", timeout=10)
            assert answer.status in (403, 409, 507), (key, answer)
    assert (await raw.request("GET", f"/objects/{signer.sign(Grant('GET', 'sub/file', later))}/file")).body == b"inside"
    assert await raw.is_well()


async def test_15_a_download_is_an_attachment_that_no_browser_interprets(raw: Raw) -> None:
    (raw.blobs / "page.html").write_text("<script>alert(1)</script>")
    path = f"/objects/{signer_of(raw).sign(Grant('GET', 'page.html', int(time.time()) + 60))}/page.html"
    for headers in ({}, {"range": "bytes=0-3"}, {"range": "bytes=0-0,1-1,2-2" + ",3-3" * 1000}, {"range": "bytes=-1"}):
        answer = await raw.request("GET", path, headers=headers)
        assert answer.status == 200 and answer.body == b"<script>alert(1)</script>"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == "attachment"
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    head = await raw.request("HEAD", path)
    assert head.status == 200 and head.headers["content-length"] == "25" and not head.body
