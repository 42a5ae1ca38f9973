"""DataProxyService: uploads, inputs and outputs, downloads, logs."""

from __future__ import annotations

import asyncio
import base64
import pathlib
import re
import time
from collections.abc import AsyncGenerator
from typing import Any, TypeVar
from urllib.parse import quote

from flyteidl2.common import run_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2 as dp
from flyteidl2.logs.dataplane import payload_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from flyte.errors import RpcError
from flyte.model.ids import ActionRef, Scope
from flyte.model.phase import ActionPhase
from flyte.server.blobs import UPLOADS, Blobs
from flyte.server.engine.runs import require_project
from flyte.server.engine.transitions import run_topic
from flyte.server.executors.port import AttemptKey
from flyte.server.executors.process.logfile import LogRecord, decode_record
from flyte.server.logs import log_path
from flyte.server.services.caller import Caller, invalid, not_found
from flyte.server.services.inputs import digest_of
from flyte.server.services.specs import deployed_spec
from flyte.server.services.times import stamp
from flyte.server.settings import ServerSettings
from flyte.server.signing import LONGEST_LIFE_SECONDS, Grant, Signer
from flyte.server.store.port import Row, Store
from flyte.wire.ids import action_from_pb, run_from_pb, scope_from_pb, task_from_pb

M = TypeVar("M", bound=Message)

OBJECTS_PATH = "/objects/"
_LONGEST_NAME, _LONGEST_KEY = 255, 1024
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LOG_BATCH_LINES = 500


def log_topic(key: tuple[str, str, str, str, int]) -> str:
    """The topic of an attempt's growing log."""
    return "log:" + "/".join(map(str, key))


def safe_name(name: str, what: str) -> str:
    """A single plain path segment.

    Raises:
        RpcError: It could be more than that (`invalid_argument`).
    """
    is_plain = (
        0 < len(name.encode()) <= _LONGEST_NAME
        and name.isprintable()
        and name not in (".", "..")
        and not any(c in name for c in '/\\:*?"<>|%\0')
        and not name.startswith(("~", " ", "."))
        and not name.endswith((" ", "."))
        and not _DEVICES.fullmatch(name)  # would open a device on the Windows machine that downloads it
    )
    if not is_plain:
        raise invalid(f"The {what} {name[:80]!r} must be a plain name of up to {_LONGEST_NAME} bytes, without a path.")
    return name


class DataProxyService:
    """See the module."""

    def __init__(self, store: Store, blobs: Blobs, signer: Signer, settings: ServerSettings) -> None:
        self._store = store
        self._blobs = blobs
        self._signer = signer
        self._settings = settings

    async def create_upload_location(
        self, request: dp.CreateUploadLocationRequest, caller: Caller
    ) -> dp.CreateUploadLocationResponse:
        """A signed address for one upload, bound to its checksum and size."""
        scope = Scope(request.project, request.domain, request.org)
        await self._store.read(lambda tx: require_project(tx, scope))
        name = safe_name(request.filename or "data", "file name")
        md5 = bytes(request.content_md5)
        if len(md5) != 16:
            raise invalid("content_md5 must be the 16 bytes of the content's MD5 checksum.")
        root = request.filename_root or base64.b32encode(md5).decode().rstrip("=").lower()
        folders = [safe_name(part, "folder") for part in root.removesuffix("/").split("/")]
        parts = (scope.project, scope.domain, UPLOADS, *folders, name)
        if len("/".join(parts).encode()) > _LONGEST_KEY:
            raise invalid(f"Folder and file name together may have at most {_LONGEST_KEY} bytes.")
        uri = self._blobs.uri(*parts)
        expires_at = _end_of_life(request.expires_in.seconds)
        largest = self._settings.largest_upload
        if request.content_length > largest:
            raise invalid(f"An upload may have at most {largest:,} bytes, and this one has {request.content_length:,}.")
        grant = Grant(
            method="PUT",
            key="/".join(parts),
            expires_at=expires_at,
            md5=base64.b64encode(md5).decode(),
            size=request.content_length or largest,
        )
        return dp.CreateUploadLocationResponse(
            signed_url=f"{caller.base_url}{OBJECTS_PATH}{self._signer.sign(grant)}/{quote(name)}",
            native_url=uri,
            expires_at=Timestamp(seconds=expires_at),
        )

    async def upload_inputs(self, request: dp.UploadInputsRequest, caller: Caller) -> dp.UploadInputsResponse:
        """Keep the inputs of a run to be, under their digest."""
        match request.WhichOneof("id"):
            case "run_id":
                scope = run_from_pb(request.run_id).scope
            case "project_id":
                scope = scope_from_pb(request.project_id)
            case _:
                raise invalid("The request names neither a run nor a project.")
        await self._store.read(lambda tx: require_project(tx, scope))
        ignored = await self._ignored_inputs(request)
        body = request.inputs.SerializeToString(deterministic=True)
        digest = digest_of(request.inputs.literals, ignored)
        uri = (await self._blobs.keep_inputs(scope, body)).removesuffix("/inputs.pb")
        return dp.UploadInputsResponse(offloaded_input_data=run_pb2.OffloadedInputData(uri=uri, inputs_hash=digest))

    async def _ignored_inputs(self, request: dp.UploadInputsRequest) -> list[str]:
        match request.WhichOneof("task"):
            case "task_spec":
                return list(request.task_spec.task_template.metadata.cache_ignore_input_vars)
            case "task_id":
                spec = await deployed_spec(self._store, task_from_pb(request.task_id))
                return list(spec.task_template.metadata.cache_ignore_input_vars)
        return []

    async def get_action_data(self, request: dp.GetActionDataRequest, caller: Caller) -> dp.GetActionDataResponse:
        """An action's inputs and outputs, and where they lie."""
        row = await self._action(action_from_pb(request.action_id))
        response = dp.GetActionDataResponse(inputs_uri=row["input_uri"])
        response.inputs.CopyFrom(await self._message(common_pb2.Inputs, row["input_uri"]))
        response.outputs.SetInParent()
        if row["output_uri"] and ActionPhase(row["phase"]).is_success:
            response.outputs_uri = f"{row['output_uri']}/outputs.pb"
            response.outputs.CopyFrom(await self._message(common_pb2.Outputs, response.outputs_uri))
        return response

    async def _message(self, kind: type[M], uri: str) -> M:
        try:
            return kind.FromString(await self._blobs.read(uri) or b"")
        except DecodeError as e:
            raise RpcError(f"{uri} does not hold {kind.__name__} that can be read.", code="data_loss") from e

    async def create_download_link(
        self, request: dp.CreateDownloadLinkRequest, caller: Caller
    ) -> dp.CreateDownloadLinkResponse:
        """A signed address for a report or a code bundle."""
        uri = await self._artifact(request)
        path = self._blobs.path(uri)
        if not await asyncio.to_thread(path.is_file):
            raise not_found("There is nothing to download (yet).")
        expires_at = _end_of_life(request.expires_in.seconds)
        key = str(path.relative_to(self._blobs.path(self._blobs.base)))
        ticket = self._signer.sign(Grant(method="GET", key=key, expires_at=expires_at))
        link = f"{caller.base_url}{OBJECTS_PATH}{ticket}/{quote(path.name)}"
        return dp.CreateDownloadLinkResponse(
            pre_signed_urls=dp.PreSignedURLs(signed_url=[link], expires_at=Timestamp(seconds=expires_at))
        )

    async def _artifact(self, request: dp.CreateDownloadLinkRequest) -> str:
        if request.WhichOneof("source") != "action_attempt_id":
            raise invalid("Only what belongs to an attempt can be downloaded in this version.")
        attempt = request.action_attempt_id
        row = await self._action(action_from_pb(attempt.action_id))
        if request.artifact_type == dp.ArtifactType.Value("ARTIFACT_TYPE_CODE_BUNDLE"):
            spec = await self._store.read(lambda tx: tx.one("tasks.spec", digest=row["spec_digest"]))
            assert spec is not None
            template = task_definition_pb2.TaskSpec.FromString(spec["body"]).task_template
            if not template.metadata.code_bundle_uri:
                raise not_found(f"Action {row['name']} runs without a code bundle.")
            return str(template.metadata.code_bundle_uri)
        return f"{row['output_base']}{row['name']}/{attempt.attempt or row['attempt']}/report.html"

    async def _action(self, action: ActionRef) -> Row:
        scope = action.run.scope

        async def read(tx: Any) -> Row | None:
            row = await tx.one(
                "actions.get",
                project=scope.project,
                domain=scope.domain,
                run=action.run.name,
                name=action.name,
            )
            return await tx.one("actions.by_id", action_id=row["id"]) if row is not None else None

        row = await self._store.read(read)
        if row is None:
            raise not_found(
                f"There is no action {action.name} of run {action.run.name} in {scope.project}/{scope.domain}."
            )
        return row

    async def tail_logs(self, request: dp.TailLogsRequest, caller: Caller) -> AsyncGenerator[dp.TailLogsResponse, None]:
        """An attempt's log from its beginning, and on while the attempt lives."""
        action = action_from_pb(request.action_id)
        row = await self._action(action)
        number = request.attempt or row["attempt"]
        attempts = {a["number"]: a for a in await self._attempts(row["id"])}
        if number not in attempts:
            raise not_found(f"Action {action.name} has no attempt {number}.")
        scope = action.run.scope
        path = log_path(
            self._settings.data,
            AttemptKey(scope.project, scope.domain, action.run.name, action.name, number, 0),
        )
        topic = log_topic((scope.project, scope.domain, action.run.name, action.name, number))
        if attempts[number]["leased_at"] is None:
            yet = "" if ActionPhase(attempts[number]["phase"]).is_terminal else " yet"
            raise not_found(f"Attempt {number} of action {action.name} has not started{yet}: there are no logs.")
        with self._store.subscribe(topic, run_topic(row["run_id"])) as listener:
            offset = 0
            while True:
                # Look whether it is over before reading: what was written before the end is then read for sure.
                is_over = await self._is_over(row["id"], number)
                records, offset = await asyncio.to_thread(_read_records, path, offset)
                if records:
                    yield _log_response(records, number)
                    continue
                if is_over:
                    return
                await listener.wait()

    async def _attempts(self, action_id: int) -> list[Row]:
        return await self._store.read(lambda tx: tx.all("attempts.of_action", action_id=action_id))

    async def _is_over(self, action_id: int, number: int) -> bool:
        for attempt in await self._attempts(action_id):
            if attempt["number"] == number:
                return ActionPhase(attempt["phase"]).is_terminal
        return True


def _end_of_life(seconds: int) -> int:
    """When an address ends that is to live for so long; a minute from now unless told otherwise."""
    life = min(seconds, LONGEST_LIFE_SECONDS) if seconds > 0 else 60
    return int(time.time()) + life


def _read_records(path: pathlib.Path, offset: int) -> tuple[list[LogRecord], int]:
    """Up to a batch of whole records from an offset, and where the next begins."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            records: list[LogRecord] = []
            while len(records) < _LOG_BATCH_LINES:
                line = file.readline()
                if not line.endswith(b"\n"):
                    break
                offset += len(line)
                record = decode_record(line)
                if record is not None:
                    records.append(record)
            return records, offset
    except FileNotFoundError:
        return [], offset


def _log_response(records: list[LogRecord], attempt: int) -> dp.TailLogsResponse:
    originators = {
        "U": payload_pb2.LogLineOriginator.Value("USER"),
        "S": payload_pb2.LogLineOriginator.Value("SYSTEM"),
    }
    lines = [
        payload_pb2.LogLine(
            timestamp=stamp(record.at),
            message=record.text + "\n",
            originator=originators[record.origin],
        )
        for record in records
    ]
    return dp.TailLogsResponse(logs=[dp.TailLogsResponse.Logs(lines=lines)])
