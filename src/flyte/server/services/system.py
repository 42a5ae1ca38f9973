"""Small services: which cluster, who is asking, this backend itself, and interpreters of this machine."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import json
import os
import pathlib
from collections.abc import Callable

from flyteidl2.auth import auth_service_pb2, identity_pb2
from flyteidl2.cluster import payload_pb2

from flyte.errors import RpcError
from flyte.server.clock import Clock
from flyte.server.engine.dispatch import InterpreterMissing
from flyte.server.services.caller import Caller, invalid
from flyte.server.services.times import stamp
from flyte.server.settings import ServerSettings
from flyte.server.store.port import Store
from flyte.server.version import VERSION
from flyte.wire.gen.flyte.backend.v1 import system_pb2

LOCAL_IMAGE = "env://local-"
_PROBE = (
    "import sys, json, importlib.metadata as m; import flyte; "
    "print(json.dumps([sys.prefix, '.'.join(map(str, sys.version_info[:3])), m.version('flyte-py')]))"
)
_PROBE_SECONDS = 30


class ClusterService:
    """There is one cluster: the one that was asked."""

    async def select_cluster(
        self, request: payload_pb2.SelectClusterRequest, caller: Caller
    ) -> payload_pb2.SelectClusterResponse:
        """An empty answer means: this one."""
        return payload_pb2.SelectClusterResponse()


def user_name() -> str:
    """The user whose backend this is."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # a user without an entry, as in many containers


class IdentityService:
    """Who is asking: on one machine its user."""

    async def user_info(self, request: identity_pb2.UserInfoRequest, caller: Caller) -> identity_pb2.UserInfoResponse:
        """The user whose backend this is."""
        name = user_name()
        return identity_pb2.UserInfoResponse(subject=name, name=name, preferred_username=name)


class AuthMetadataService:
    """How to sign in: nobody has to."""

    async def get_oauth2_metadata(
        self, request: auth_service_pb2.GetOAuth2MetadataRequest, caller: Caller
    ) -> auth_service_pb2.GetOAuth2MetadataResponse:
        """Nobody has to sign in."""
        raise RpcError("This backend asks nobody to sign in: set admin.insecure to true.", code="unimplemented")

    async def get_public_client_config(
        self, request: auth_service_pb2.GetPublicClientConfigRequest, caller: Caller
    ) -> auth_service_pb2.GetPublicClientConfigResponse:
        """Nobody has to sign in."""
        raise RpcError("This backend asks nobody to sign in: set admin.insecure to true.", code="unimplemented")


class RegisteredInterpreters:
    """Interpreters of this machine that tasks may run in, by the image that stands for them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._probed: dict[tuple[str, int], tuple[str, str]] = {}

    async def resolve(self, image: str) -> str:
        """See `dispatch.Interpreters`. Any other image runs in the default interpreter (empty text)."""
        if not image.startswith(LOCAL_IMAGE):
            return ""
        digest = image.removeprefix(LOCAL_IMAGE)
        row = await self._store.read(lambda tx: tx.one("interpreters.get", digest=digest))
        if row is None:
            raise InterpreterMissing(
                f"The image {image} stands for no interpreter of this machine. Deploy or run again."
            )
        if not os.access(row["executable"], os.X_OK):
            raise InterpreterMissing(
                f"The interpreter {row['executable']} that the task was submitted from is gone. Deploy or run again."
            )
        return str(row["executable"])

    async def register(self, request: system_pb2.RegisterInterpreterRequest) -> str:
        """Check an interpreter and keep it; gives the image that stands for it.

        Raises:
            RpcError: It may not or cannot be used (`failed_precondition`).
        """
        path = pathlib.Path(request.executable)
        if not path.is_absolute() or not request.executable.isprintable():
            raise invalid("The interpreter must be named by its absolute path.")
        modified = await asyncio.to_thread(_usable, path)
        if (str(path), modified) not in self._probed:
            self._probed[str(path), modified] = await self._probe(path)
        if self._probed[str(path), modified] != (request.prefix, request.version):
            raise RpcError(f"{path} is not what the request says of it.", code="failed_precondition")
        text = json.dumps([str(path), request.prefix, request.version, modified])
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        await self._store.write(
            lambda tx: tx.run(
                "interpreters.put",
                digest=digest,
                executable=str(path),
                prefix=request.prefix,
                version=request.version,
                now=self._clock(),
            )
        )
        return LOCAL_IMAGE + digest

    async def _probe(self, path: pathlib.Path) -> tuple[str, str]:
        """The prefix and version of an interpreter that imports this version of flyte."""
        try:
            process = await asyncio.create_subprocess_exec(
                str(path), "-I", "-c", _PROBE,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env={"PATH": os.environ.get("PATH", os.defpath)}, cwd="/",
            )  # fmt: skip
        except OSError as e:
            raise RpcError(f"{path} cannot be executed: {e.strerror}.", code="failed_precondition") from e
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                output, errors = await process.communicate()
        except TimeoutError as e:
            process.kill()
            await process.wait()
            raise RpcError(f"{path} did not answer within {_PROBE_SECONDS} seconds.", code="failed_precondition") from e
        if process.returncode != 0:
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
            raise RpcError(f"{path} cannot import flyte: {last[0][:300]}", code="failed_precondition")
        try:
            prefix, version, flyte_version = json.loads(output)
        except (ValueError, TypeError) as e:
            raise RpcError(f"{path} does not answer as an interpreter does.", code="failed_precondition") from e
        if flyte_version != VERSION:
            raise RpcError(
                f"{path} has version {flyte_version} of flyte-py, and this backend is {VERSION}.",
                code="failed_precondition",
            )
        return str(prefix), str(version)


def _usable(path: pathlib.Path) -> int:
    """When the file was changed last, after checking who can change it.

    Raises:
        RpcError: It is not there, or belongs to somebody else.
    """
    try:
        link, stat = path.lstat(), path.stat()
    except OSError as e:
        raise RpcError(f"There is no interpreter at {path}.", code="failed_precondition") from e
    if not {link.st_uid, stat.st_uid} <= {os.getuid(), 0}:
        raise RpcError(f"{path} belongs to another user and is not run.", code="failed_precondition")
    if not os.access(path, os.X_OK) or not path.is_file():
        raise RpcError(f"{path} cannot be executed.", code="failed_precondition")
    return max(link.st_mtime_ns, stat.st_mtime_ns)


class SystemService:
    """This backend itself."""

    def __init__(
        self,
        settings: ServerSettings,
        interpreters: RegisteredInterpreters,
        url: Callable[[], str],
        started_at: int,
    ) -> None:
        self._settings = settings
        self._interpreters = interpreters
        self._url = url
        self._started_at = started_at

    async def get_system(self, request: system_pb2.GetSystemRequest, caller: Caller) -> system_pb2.GetSystemResponse:
        """Version, data folder, database."""
        return system_pb2.GetSystemResponse(
            version=VERSION,
            data=str(self._settings.data),
            url=self._url(),
            started_at=stamp(self._started_at),
            database="sqlite",
            task_python=self._settings.task_python,
        )

    async def register_interpreter(
        self, request: system_pb2.RegisterInterpreterRequest, caller: Caller
    ) -> system_pb2.RegisterInterpreterResponse:
        """The image that stands for an interpreter of this machine."""
        if not caller.is_loopback:
            raise RpcError(
                "Interpreters are registered from the backend's own machine only.", code="failed_precondition"
            )
        return system_pb2.RegisterInterpreterResponse(image=await self._interpreters.register(request))
