"""Rules 4 and 5: what a page in the user's browser cannot do."""

from __future__ import annotations

from typing import Any

import pytest

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
FOREIGN_HOSTS = [
    "evil.example", "localhost.evil", "localhost.evil:{port}", "evil.example:{port}", "127.0.0.1.evil.example",
    "user@localhost", "user:x@127.0.0.1:{port}", "127.0.0.1@evil.example", "localhost.", "127.1", "0.0.0.0",
    "0.0.0.0:{port}", "[::]:{port}", "2130706433", "0x7f000001", "localhost/evil", "localhost?evil", "localhost#evil",
    "localhost:80:80", "localhost:x", "localhost,evil.example", "localhost evil.example", "[::1", "::1", "[evil]",
    "http://localhost", "", " ", "local\thost", "LOCALHOST.EVIL", "\u2100", "%6cocalhost", "169.254.169.254",
]  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_04_a_foreign_host_is_refused(raw: Any, host: str) -> None:
    for method in METHODS[:-1]:
        name = host.format(port=raw.backend.port)
        answer = await raw.request(method, "/healthz", headers={"host": name, "content-type": "application/json"})
        assert answer.status in (400, 421), (method, answer)


async def test_04_a_missing_and_a_doubled_host_are_refused(raw: Any) -> None:
    for method in METHODS[:-1]:
        assert (await raw.request(method, "/healthz", headers={"host": None})).status in (400, 421)
        for second in ("localhost", "evil.example"):
            head = f"{method} /healthz HTTP/1.1\r\nhost: {raw.host}\r\nHost: {second}\r\ncontent-length: 0\r\n\r\n"
            assert (await raw.send(head.encode())).status in (400, 421)
    assert (await raw.send(b"GET /healthz HTTP/1.0\r\n\r\n")).status == 421


async def test_04_our_own_names_are_answered(raw: Any) -> None:
    port = raw.backend.port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "localhost", "LocalHost:1", f"[::1]:{port}"):
        assert (await raw.request("GET", "/healthz", headers={"host": host})).status == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "https://evil.example", "http://localhost.evil", "file://", "http://127.0.0.1",
     "http://localhost:{port}", "https://127.0.0.1:{port}", "http://127.0.0.1:{port}.evil.example", "http://[::1",
     "http://127.0.0.1:{port}/", "chrome-extension://abc", "http://127.0.0.1:8888", "\u2100://x"],
)  # fmt: skip
async def test_05_another_origin_is_refused_and_nothing_is_allowed_by_cors(raw: Any, origin: str) -> None:
    name = origin.format(port=raw.backend.port)
    for method in METHODS[:-1]:
        headers = {"origin": name, "content-type": "application/json", "access-control-request-method": "POST"}
        answer = await raw.request(method, "/flyteidl2.workflow.RunService/ListRuns", b"{}", headers)
        assert answer.status == 403, (method, answer)
        assert not [header for header in answer.headers if header.startswith("access-control")]


async def test_05_our_own_page_may_call_and_still_no_cors_header_is_sent(raw: Any) -> None:
    for headers in ({"origin": f"http://{raw.host}", "sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        answer = await raw.rpc(b'{"org": ""}', **headers)
        assert answer.status == 200, answer
        assert not [header for header in answer.headers if header.startswith("access-control")]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "SAME-ORIGIN", "unknown"])
async def test_05_a_request_that_another_site_made_is_refused(raw: Any, site: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT"):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "content-type": "application/json"}
        assert (await raw.request(method, "/healthz", headers=headers)).status == 403
    head = f"GET /healthz HTTP/1.1\r\nhost: {raw.host}\r\nsec-fetch-site: same-origin\r\nsec-fetch-site: {site}\r\n\r\n"
    assert (await raw.send(head.encode())).status == 403


async def test_05_a_link_on_another_site_may_be_followed_but_not_framed_or_fetched(raw: Any) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    answer = await raw.request("GET", "/v2/domain/development/project/flytesnacks/runs/x", headers=link)
    assert answer.status == 404 and b"flyte get run x" in answer.body
    assert (
        answer.headers["x-frame-options"] == "DENY"
        and "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    )
    for change in ({"sec-fetch-dest": "iframe"}, {"sec-fetch-mode": "cors"}, {"origin": "http://evil.example"}):
        assert (await raw.request("GET", "/v2/", headers={**link, **change})).status == 403
    form = {**link, "content-type": "application/json"}
    assert (await raw.request("POST", "/flyteidl2.workflow.RunService/ListRuns", b"{}", form)).status == 403


async def test_05_the_page_for_a_run_shows_its_name_as_text(raw: Any) -> None:
    answer = await raw.request("GET", "/v2/runs/%3Cscript%3Ealert(1)%3C/script%3E")
    assert b"<script>" not in answer.body


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_05_a_form_cannot_call_anything(raw: Any, kind: str) -> None:
    body = b'{"project": {"id": "made-by-a-form", "x": "=\r\n"}}'
    answer = await raw.rpc(body, kind, "/flyteidl2.project.ProjectService/CreateProject")
    assert answer.status == 415
    got = await raw.rpc(b'{"id": "made-by-a-form"}', path="/flyteidl2.project.ProjectService/GetProject")
    assert got.status == 404


async def test_05_two_content_types_are_none(raw: Any) -> None:
    head = (
        f"POST /flyteidl2.workflow.RunService/ListRuns HTTP/1.1\r\nhost: {raw.host}\r\ncontent-type: text/plain\r\n"
        "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert (await raw.send(head.encode())).status == 415


async def test_05_web_sockets_are_refused(raw: Any) -> None:
    for origin in ({}, {"origin": "http://evil.example"}, {"origin": f"http://{raw.host}"}):
        headers = {
            "upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", **origin,
        }  # fmt: skip
        assert (await raw.request("GET", "/flyteidl2.workflow.RunService/ListRuns", headers=headers)).status == 403


async def test_05_an_offer_of_http_2_is_not_taken_and_not_an_error(raw: Any) -> None:
    headers = {"upgrade": "h2c", "connection": "Upgrade, HTTP2-Settings", "http2-settings": "AAMAAABkAAQ"}
    assert (await raw.request("GET", "/healthz", headers=headers)).status == 200


async def test_05_a_forwarded_address_is_not_believed(raw: Any) -> None:
    headers = {"x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "https", "forwarded": "for=10.0.0.1"}
    body = b'{"executable": "relative"}'
    path = "/flyte.backend.v1.SystemService/RegisterInterpreter"
    answer = await raw.rpc(body, path=path, **headers)
    assert answer.status == 400 and b"absolute path" in answer.body
