"""DataProxyService over HTTP: uploads, inputs, outputs, downloads, logs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pathlib
from typing import Any

import pyqwest
import pytest
from flyteidl2.core import literals_pb2

from flyte.errors import RpcError
from flyte.server.blobs import LARGEST_READ
from flyte.server.executors.process.logfile import encode_record
from flyte.server.logs import log_path
from flyte.storage.local import local_path

SERVICE = "DataProxyService"


async def uploaded(site: Any, data: bytes, name: str = "file.txt", **fields: Any) -> Any:
    location = await site.call(
        SERVICE, "CreateUploadLocation", project="flytesnacks", domain="development", filename=name,
        content_md5=hashlib.md5(data).digest(), **fields,
    )  # fmt: skip
    response = await pyqwest.Client().put(location.signed_url, content=data)
    assert response.status == 200, bytes(response.content)
    return location


@pytest.mark.parametrize(
    "name", ["file.txt", "with space.txt", "ünïcödé.csv", "hash#mark.txt", "a&b=c;d.txt", "💾" * 60]
)
async def test_an_upload_is_found_under_the_address_that_was_promised(site: Any, name: str) -> None:
    location = await uploaded(site, b"hello", name)
    assert local_path(location.native_url).read_bytes() == b"hello"
    assert location.native_url.startswith("file://") and location.native_url.endswith(name)
    assert location.expires_at.seconds > 0


async def test_several_files_can_be_kept_in_one_folder(site: Any) -> None:
    first = await uploaded(site, b"1", "a", filename_root="my/folder")
    second = await uploaded(site, b"2", "b", filename_root="my/folder")
    assert local_path(first.native_url).parent == local_path(second.native_url).parent


@pytest.mark.parametrize("md5", [b"", b"short", b"x" * 17])
async def test_an_upload_without_a_whole_checksum_is_refused(site: Any, md5: bytes) -> None:
    fields = {"project": "flytesnacks", "domain": "development", "filename": "x", "content_md5": md5}
    assert (await site.refused(SERVICE, "CreateUploadLocation", **fields)).code == "invalid_argument"


async def test_an_upload_larger_than_allowed_is_refused_before_it_begins(site: Any) -> None:
    fields = {"project": "flytesnacks", "domain": "development", "filename": "x", "content_md5": b"m" * 16}
    error = await site.refused(SERVICE, "CreateUploadLocation", content_length=2**62, **fields)
    assert error.code == "invalid_argument"


async def test_an_upload_into_an_unknown_project_is_refused(site: Any) -> None:
    fields = {"project": "nope", "domain": "development", "filename": "x", "content_md5": b"m" * 16}
    assert (await site.refused(SERVICE, "CreateUploadLocation", **fields)).code == "not_found"


async def test_uploaded_inputs_lie_in_a_folder_and_have_the_digest_of_the_protocol(site: Any, make: Any) -> None:
    spec = make.task_spec(inputs=("a", "b"), defaults={"b": 2})
    upload = {"project_id": make.project_id(), "task_spec": spec, "inputs": make.inputs(a=1, b=2)}
    data = (await site.call(SERVICE, "UploadInputs", **upload)).offloaded_input_data
    assert local_path(data.uri).is_dir() and (local_path(data.uri) / "inputs.pb").is_file()
    spec.task_template.metadata.cache_ignore_input_vars.append("b")
    ignoring = (await site.call(SERVICE, "UploadInputs", **upload)).offloaded_input_data
    assert ignoring.uri == data.uri and ignoring.inputs_hash != data.inputs_hash
    await site.run("up", spec, offloaded_input_data=data)
    stored = await site.call(SERVICE, "GetActionData", action_id=make.action_id("up"))
    assert stored.inputs == make.inputs(a=1, b=2)


async def test_uploading_inputs_of_a_deployed_task_needs_the_task(site: Any, make: Any) -> None:
    task = {"org": "local", "project": "flytesnacks", "domain": "development", "name": "env.none", "version": "v1"}
    error = await site.refused(SERVICE, "UploadInputs", project_id=make.project_id(), task_id=task)
    assert error.code == "not_found"


async def test_an_input_that_is_not_the_messagepack_it_says_is_refused(site: Any, make: Any) -> None:
    for value in (b"\xc1", b"\x81", b"\x81\x80\x01", b"\x91" * 5000, b"\x91" * 5000 + b"\x01"):
        literal = literals_pb2.Literal(scalar={"binary": {"value": value, "tag": "msgpack"}})
        inputs = {"literals": [{"name": "a", "value": literal}]}
        error = await site.refused(SERVICE, "UploadInputs", project_id=make.project_id(), inputs=inputs)
        assert error.code == "invalid_argument"


async def test_outputs_are_there_even_when_empty(site: Any, make: Any) -> None:
    await site.run("empty")
    before = await site.call(SERVICE, "GetActionData", action_id=make.action_id("empty"))
    await site.finish("empty")
    after = await site.call(SERVICE, "GetActionData", action_id=make.action_id("empty"))
    assert before.HasField("outputs") and after.HasField("outputs") and not before.outputs_uri and after.outputs_uri


async def test_data_of_nobody_is_not_found(site: Any, make: Any) -> None:
    assert (await site.refused(SERVICE, "GetActionData", action_id=make.action_id("nobody"))).code == "not_found"


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "/etc/passwd", "file://localhost/etc/passwd", "s3://bucket/key", "", "\0", "../x"]
)
async def test_inputs_outside_of_the_blobs_are_never_opened(site: Any, make: Any, uri: str) -> None:
    await site.run("leak")
    child = make.child("leak", "c1", input_uri=uri or " ")
    await site.call("ActionsService", "Enqueue", action=child)
    error = await site.refused(SERVICE, "GetActionData", action_id=make.action_id("leak", "c1"))
    assert error.code == "permission_denied" and "root:" not in error.message


async def test_a_link_that_leads_out_of_the_blobs_is_not_followed(site: Any, make: Any, tmp_path: pathlib.Path) -> None:
    blobs, secret = tmp_path / "data" / "blobs", tmp_path / "secret"
    secret.write_bytes(b"\x0a\x03abc")
    (blobs / "link").symlink_to(secret)
    (blobs / "up").symlink_to(tmp_path)
    (blobs / "loop").symlink_to(blobs / "loop")
    await site.run("links")
    for i, name in enumerate(("link", "up/secret", "loop", "%2e%2e/%2e%2e/secret", "../../secret", "loop/x")):
        await site.call(
            "ActionsService", "Enqueue", action=make.child("links", f"c{i}", input_uri=f"{blobs.as_uri()}/{name}")
        )
        error = await site.refused(SERVICE, "GetActionData", action_id=make.action_id("links", f"c{i}"))
        assert error.code == "permission_denied", name


async def test_inputs_that_cannot_be_read_are_refused_with_a_sentence(
    site: Any, make: Any, tmp_path: pathlib.Path
) -> None:
    blobs = tmp_path / "data" / "blobs"
    (blobs / "garbage").write_bytes(b"\xff" * 50)
    with (blobs / "huge").open("wb") as file:
        file.truncate(LARGEST_READ + 1)
    os.mkfifo(blobs / "pipe")
    await site.run("odd")
    for name, code in (("garbage", "data_loss"), ("huge", "failed_precondition")):
        await site.call("ActionsService", "Enqueue", action=make.child("odd", name, input_uri=(blobs / name).as_uri()))
        error = await site.refused(SERVICE, "GetActionData", action_id=make.action_id("odd", name))
        assert error.code == code and name in error.message
    await site.call("ActionsService", "Enqueue", action=make.child("odd", "pipe", input_uri=(blobs / "pipe").as_uri()))
    assert not (await site.call(SERVICE, "GetActionData", action_id=make.action_id("odd", "pipe"))).inputs.literals


def attempt(make: Any, run: str) -> dict[str, Any]:
    return {"action_id": make.action_id(run), "attempt": 1}


async def test_a_code_bundle_can_be_downloaded_as_an_attachment(site: Any, make: Any) -> None:
    location = await uploaded(site, b"bundle", "code bundle.tar.gz")
    await site.run("b", make.task_spec(code_bundle_uri=location.native_url))
    fields = {"artifact_type": "ARTIFACT_TYPE_CODE_BUNDLE", "action_attempt_id": attempt(make, "b")}
    link = (await site.call(SERVICE, "CreateDownloadLink", **fields)).pre_signed_urls
    response = await pyqwest.Client().get(link.signed_url[0])
    assert bytes(response.content) == b"bundle" and response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"] == "attachment" and link.expires_at.seconds > 0


async def test_a_report_can_be_downloaded_once_it_is_there(site: Any, make: Any) -> None:
    await site.run("r")
    launch = await site.executor.launched("r")
    fields = {"artifact_type": "ARTIFACT_TYPE_REPORT", "action_attempt_id": attempt(make, "r")}
    assert (await site.refused(SERVICE, "CreateDownloadLink", **fields)).code == "not_found"
    report = local_path(launch.output_prefix) / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("<script>alert(1)</script>")
    link = (await site.call(SERVICE, "CreateDownloadLink", **fields)).pre_signed_urls.signed_url[0]
    response = await pyqwest.Client().get(link)
    assert response.headers["content-type"] == "application/octet-stream"
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "/etc/passwd", "http://169.254.169.254/", "s3://other/x"])
async def test_a_code_bundle_outside_of_the_blobs_is_not_handed_out(site: Any, make: Any, uri: str) -> None:
    await site.run("c", make.task_spec(code_bundle_uri=uri))
    fields = {"artifact_type": "ARTIFACT_TYPE_CODE_BUNDLE", "action_attempt_id": attempt(make, "c")}
    assert (await site.refused(SERVICE, "CreateDownloadLink", **fields)).code == "permission_denied"


async def test_a_run_without_a_bundle_has_none_to_download(site: Any, make: Any) -> None:
    await site.run("n")
    fields = {"artifact_type": "ARTIFACT_TYPE_CODE_BUNDLE", "action_attempt_id": attempt(make, "n")}
    assert (await site.refused(SERVICE, "CreateDownloadLink", **fields)).code == "not_found"
    assert (await site.refused(SERVICE, "CreateDownloadLink", artifact_type=1)).code == "invalid_argument"


async def test_logs_are_not_found_before_the_start_and_stream_until_the_end(
    site: Any, make: Any, tmp_path: pathlib.Path
) -> None:
    site.executor.places = 0
    await site.run("l")
    with pytest.raises(RpcError, match="not started yet") as caught:
        await anext(site.stream(SERVICE, "TailLogs", **attempt(make, "l")))
    assert caught.value.code == "not_found"
    site.executor.places = 1
    await site.run("wake")  # a new run wakes dispatch
    launch = await site.executor.launched("l")
    path = log_path(tmp_path / "data", launch.key)
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_record(1_000_000, "U", b"first \xff") + b"not a record\n" + b"12 U half a rec")
    stream = site.stream(SERVICE, "TailLogs", **attempt(make, "l"))
    async with asyncio.timeout(10):
        lines = [(line.message, line.originator) for line in (await anext(stream)).logs[0].lines]
        assert lines == [("first \ufffd\n", 1)]
        with path.open("ab") as file:
            file.write(b"ord\n" + encode_record(2_000_000, "S", b"note"))
        site.executor.logged(launch, path.stat().st_size)
        lines = [(line.message, line.originator) for line in (await anext(stream)).logs[0].lines]
        assert lines == [("half a record\n", 1), ("note\n", 2)]
        site.executor.succeed(launch)
        assert [message async for message in stream] == []


async def test_logs_of_an_attempt_that_never_was_are_not_found(site: Any, make: Any) -> None:
    await site.run("l")
    await site.executor.launched("l")
    for fields in ({"action_id": make.action_id("l"), "attempt": 7}, {"action_id": make.action_id("x"), "attempt": 1}):
        with pytest.raises(RpcError) as caught:
            await anext(site.stream(SERVICE, "TailLogs", **fields))
        assert caught.value.code == "not_found"
