"""The one thing that `flyte.init` sets: what this process works with, and its client of the backend."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from flyte.config.settings import Config, base_url
from flyte.errors import InitializationError, InvalidValue
from flyte.model.ids import Scope

if TYPE_CHECKING:
    from flyte.client.transport import ConnectTransport, Transport


@dataclass(frozen=True)
class Session:
    """What this process was initialised with.

    Args:
        config: File, environment and arguments, merged.
        root_dir: The folder that code bundles and module names are relative to.
        transport: The client; None without a backend, and then everything runs locally.
        sync_local_sys_paths: Tasks get this process's `sys.path` folders below the root.
        images: Names of images → addresses.
        is_local_backend: The backend is the one of this machine that needs no configuration.
        task_process: Set in the process of a backend's task, whose session is the backend's to say: what the process
            is at, importing the user's module or running the task.
    """

    config: Config = field(default_factory=Config)
    root_dir: pathlib.Path = field(default_factory=pathlib.Path.cwd)
    transport: Transport | None = None
    sync_local_sys_paths: bool = True
    images: dict[str, str] = field(default_factory=dict)
    is_local_backend: bool = False
    task_process: Literal["importing", "running"] | None = None

    def scope(self, project: str | None = None, domain: str | None = None) -> Scope:
        """The project and domain to use, with arguments before configuration.

        Raises:
            InitializationError: One of them is not known.
        """
        project = project or self.config.task.project
        domain = domain or self.config.task.domain
        for name, value in (("Project", project), ("Domain", domain)):
            if not value:
                raise InitializationError(
                    f"{name}NotConfigured",
                    "user",
                    f"No {name.lower()} is set. Give --{name.lower()}, or set task.{name.lower()} in config.yaml.",
                )
        assert project and domain
        return Scope(project=project, domain=domain, org=self.config.task.org or "")

    def console_url(self, scope: Scope, kind: str, name: str) -> str:
        """The address of a page of the console (wire_protocol §4.3)."""
        platform = self.config.platform
        console = platform.console_endpoint
        if console and "://" in console:
            base = console.rstrip("/")
        else:
            base = base_url(replace(platform, endpoint=console or platform.endpoint))
        return f"{base}/v2/domain/{scope.domain}/project/{scope.project}/{kind}/{name}"


_lock = threading.Lock()
_session: Session | None = None


def current_session() -> Session | None:
    """The session, None before any init."""
    return _session


def set_session(session: Session | None) -> None:
    """Replace the session of this process."""
    global _session
    with _lock:
        _session = session


def require_session() -> Session:
    """The session of an initialised process with a backend.

    Raises:
        InitializationError: `flyte.init…` was not called, or without a backend.
    """
    session = current_session()
    if session is None or session.transport is None:
        raise InitializationError(
            "ClientNotInitializedError",
            "user",
            "This needs a backend, and none is configured. Call flyte.init_from_config() first, "
            "or flyte.init(endpoint=…).",
        )
    return session


def require_transport() -> Transport:
    """The client of the backend.

    Raises:
        InitializationError: There is none.
    """
    transport = require_session().transport
    assert transport is not None
    return transport


def make_transport(config: Config, headers: Callable[[], dict[str, str]] = dict) -> ConnectTransport:
    """A client for a configuration.

    Raises:
        InitializationError: No endpoint is configured.
        InvalidValue: The endpoint or the certificate file cannot be used.
    """
    # Not at the top: local mode has a session too, and no use for asyncio, sockets and TLS.
    from flyte.client.transport import Address, ConnectTransport

    platform = config.platform
    ca_cert = None
    if platform.ca_cert_file_path:
        try:
            ca_cert = pathlib.Path(platform.ca_cert_file_path).read_bytes()
        except OSError as e:
            raise InvalidValue(
                f"The certificate file {platform.ca_cert_file_path} cannot be read: {e.strerror}."
            ) from e
    return ConnectTransport(Address(base_url(platform), ca_cert), headers, platform.rpc_retries)
