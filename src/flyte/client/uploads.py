"""Uploads through signed addresses (wire_protocol §3.2)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

from flyte.client.transport import Transport, http_errors
from flyte.errors import RpcError, StorageError
from flyte.model.ids import Scope
from flyte.wire.services import method

_RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_TRIES = 3


async def upload_bytes(
    transport: Transport, scope: Scope, data: bytes, name: str, *, folder: str = "", life_seconds: int = 60
) -> str:
    """Upload an object; gives the address under which tasks find it.

    Args:
        folder: A name to keep several files together; by default the content's checksum.

    Raises:
        RpcError: The backend gave no address.
        StorageError: The upload was refused.
    """
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    await select_cluster(transport, scope, "OPERATION_CREATE_UPLOAD_LOCATION")
    request = method("DataProxyService", "CreateUploadLocation").request(
        project=scope.project,
        domain=scope.domain,
        org=scope.org,
        filename=name,
        content_md5=md5,
        filename_root=folder,
        add_content_md5_metadata=True,
    )
    request.expires_in.seconds = life_seconds
    location = await transport.unary("DataProxyService", "CreateUploadLocation", request)
    await _put(location, data, md5)
    return str(location.native_url)


async def select_cluster(transport: Transport, scope: Scope, operation: str) -> None:
    """Ask which cluster serves an operation; there is one, and a backend that does not know the question is it."""
    row = method("ClusterService", "SelectCluster")
    request = row.request()
    request.project_id.organization, request.project_id.domain = scope.org, scope.domain
    request.project_id.name = scope.project
    request.operation = request.Operation.Value(operation)
    try:
        await transport.unary("ClusterService", "SelectCluster", request)
    except RpcError as e:
        if e.code != "unimplemented":
            raise


async def _put(location: Any, data: bytes, md5: bytes) -> None:
    from pyqwest import Client

    headers = {
        **dict(location.headers),
        "content-length": str(len(data)),
        "content-md5": base64.b64encode(md5).decode(),
    }
    if str(location.native_url).startswith("abfs"):
        headers["x-ms-blob-type"] = "BlockBlob"
    client = Client()
    for attempt in range(_TRIES):
        try:
            answer = await client.execute("PUT", location.signed_url, headers, data)
        except http_errors() as e:
            if attempt == _TRIES - 1:
                raise StorageError(f"The upload broke off: {e}") from e
        else:
            if answer.status < 300:
                return
            if answer.status not in _RETRIED_STATUS or attempt == _TRIES - 1:
                text = bytes(answer.content).decode(errors="replace").strip()[:300]
                raise StorageError(f"The upload was refused with status {answer.status}: {text}")
        await asyncio.sleep(0.5 * 2**attempt)
