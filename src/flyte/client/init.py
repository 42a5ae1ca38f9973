"""`flyte.init…`: what this process works with."""

from __future__ import annotations

import logging
import os
import pathlib
import sys
from dataclasses import replace
from importlib import metadata
from typing import Any

from flyte.authoring.context import ctx
from flyte.client import local_backend
from flyte.client.session import Session, current_session, make_transport, set_session
from flyte.config.settings import Config, PlatformConfig, auto
from flyte.errors import BackendUnreachable, FeatureNotAvailable, InitializationError, InvalidType, InvalidValue
from flyte.syncify import BlockingFunction

LOCAL_PROJECT, LOCAL_DOMAIN, LOCAL_ORG = "flytesnacks", "development", "local"


_WITHOUT_EFFECT = frozenset({
    "auth_client_config", "batch_size", "disable_keyring", "headless", "http_proxy_url",
    "load_plugin_type_transformers", "local_persistence", "local_tracked", "local_tracked_strict", "log_format",
    "reset_root_logger", "scopes", "source_config_path", "storage",
})  # fmt: skip
"""Options of `flyte.init` that this version takes and has no use for."""


def sdk_version() -> str:
    """The version of this distribution."""
    try:
        return metadata.version("flyte-py")
    except metadata.PackageNotFoundError:
        return "0.0.0"


def _root(root_dir: pathlib.Path | str | None) -> pathlib.Path:
    root = (pathlib.Path(root_dir) if root_dir is not None else pathlib.Path.cwd()).absolute()
    if str(root) not in sys.path:
        sys.path.append(str(root))
    return root


def _levels(log_level: int | None, user_log_level: int | None) -> None:
    if log_level is not None:
        logging.getLogger("flyte").setLevel(log_level)
    if user_log_level is not None:
        logging.getLogger("flyte.user").setLevel(user_log_level)


def named_images(images: tuple[str, ...] | dict[str, str] | None) -> dict[str, str]:
    """Names → addresses from `name=uri` texts; a bare address is the one named `default`.

    Raises:
        InvalidValue: A text has a name or an address that is empty.
    """
    if not images:
        return {}
    if isinstance(images, dict):
        return dict(images)
    named = {}
    for image in images:
        name, separator, uri = image.partition("=")
        if not separator:
            name, uri = "default", image
        if not name or not uri:
            raise InvalidValue(f"--image {image!r} must be NAME=ADDRESS, or an address alone.")
        named[name] = uri
    return named


@BlockingFunction
def init(
    org: str | None = None,
    project: str | None = None,
    domain: str | None = None,
    root_dir: pathlib.Path | None = None,
    log_level: int | None = None,
    user_log_level: int | None = None,
    endpoint: str | None = None,
    insecure: bool = False,
    insecure_skip_verify: bool = False,
    ca_cert_file_path: str | None = None,
    auth_type: str = "Pkce",
    command: list[str] | None = None,
    proxy_command: list[str] | None = None,
    api_key: str | None = None,
    client_id: str | None = None,
    client_credentials_secret: str | None = None,
    rpc_retries: int = 3,
    image_builder: str = "local",
    images: dict[str, str] | None = None,
    image_registry: str | None = None,
    sync_local_sys_paths: bool = True,
    **others: Any,
) -> None:
    """Set what this process works with. Without an endpoint everything runs locally.

    Args:
        endpoint: The backend, `host:port`, `dns:///host:port`, `http://…` or `https://…`.
        insecure: Plain text instead of TLS.
        root_dir: The folder that bundles and module names are relative to; the working directory by default.

        others: Further options of the Flyte API, which change nothing here.

    Raises:
        FeatureNotAvailable: `api_key`, whose way to sign in is not built yet.
        InvalidType: An option that there is not.
        InvalidValue: The endpoint cannot be used.
    """
    unknown = sorted(others.keys() - _WITHOUT_EFFECT)
    if unknown:
        raise InvalidType(f"flyte.init() has no option {unknown[0]!r}. Check its spelling.")
    if _is_task_process():
        return
    if api_key:
        raise FeatureNotAvailable("Signing in with an API key is not available yet; see docs/compatibility.md.")
    _levels(log_level, user_log_level)
    base = Config()
    platform = PlatformConfig(
        endpoint=endpoint,
        insecure=insecure,
        insecure_skip_verify=insecure_skip_verify,
        ca_cert_file_path=ca_cert_file_path,
        auth_mode=auth_type,
        command=tuple(command) if command else None,
        proxy_command=tuple(proxy_command) if proxy_command else None,
        client_id=client_id,
        client_credentials_secret=client_credentials_secret,
        rpc_retries=rpc_retries,
    )
    config = replace(
        base,
        platform=platform,
        task=replace(base.task, org=org, project=project, domain=domain),
        image=replace(base.image, builder=image_builder, image_refs=images or {}, registry=image_registry),
    )
    _use(config, _root(root_dir), images or {}, sync_local_sys_paths=sync_local_sys_paths)


@BlockingFunction
def init_from_config(
    path_or_config: str | pathlib.Path | Config | None = None,
    root_dir: pathlib.Path | None = None,
    log_level: int | None = None,
    log_format: str = "console",
    user_log_level: int | None = None,
    org: str | None = None,
    project: str | None = None,
    domain: str | None = None,
    storage: Any = None,
    batch_size: int = 1000,
    image_builder: str | None = None,
    images: tuple[str, ...] | None = None,
    sync_local_sys_paths: bool = True,
) -> None:
    """Load a configuration and connect to the backend that it names.

    Without a path the files of the search order are tried; where there is none, this machine's own backend is
    used, and started if need be, with one line on stderr.

    Args:
        path_or_config: A file, or a `Config`; a relative path counts from `root_dir` where that is given.

    Raises:
        InitializationError: An explicit file does not exist.
    """
    if _is_task_process():
        return
    _levels(log_level, user_log_level)
    if isinstance(path_or_config, Config):
        config = path_or_config
    else:
        path = pathlib.Path(path_or_config).expanduser() if path_or_config is not None else None
        if path is not None and root_dir is not None and not path.is_absolute():
            path = pathlib.Path(root_dir) / path
        config = auto(path)
    config = with_overrides(config, org=org, project=project, domain=domain, image_builder=image_builder)
    is_local = not config.platform.endpoint
    if is_local:
        config = use_local_backend(config, start=True)
    _use(
        config,
        _root(root_dir),
        {**config.image.image_refs, **named_images(images)},
        sync_local_sys_paths=sync_local_sys_paths,
        is_local=is_local,
    )


def _is_task_process() -> bool:
    """True in the process of a backend's task: the module that it imports may initialise, and changes nothing."""
    session = current_session()
    return session is not None and session.task_process is not None


def with_overrides(
    config: Config,
    *,
    org: str | None = None,
    project: str | None = None,
    domain: str | None = None,
    image_builder: str | None = None,
) -> Config:
    """A configuration with arguments before what it says."""
    task = replace(
        config.task,
        org=org or config.task.org,
        project=project or config.task.project,
        domain=domain or config.task.domain,
    )
    return replace(config, task=task, image=replace(config.image, builder=image_builder or config.image.builder))


def use_local_backend(config: Config, *, start: bool) -> Config:
    """A configuration for this machine's own backend.

    Args:
        start: Start it if none runs.

    Raises:
        BackendUnreachable: None runs and none was to be started, or it does not answer.
        BackendError: It did not start, or it has another version.
    """
    record = local_backend.find()
    if record is None:
        if not start:
            raise BackendUnreachable(
                "No backend runs on this machine, and no other is configured.",
                hint="Start one with: flyte start backend --detach",
            )
        record, started = local_backend.start_detached()
        if started:
            reason = local_backend.reason_of_port(record)
            said = f"Started the local backend at {record.url}" + (f" ({reason})" if reason else "")
            print(said, file=sys.stderr)  # noqa: T201  the one line
    local_backend.require_same_version(record, sdk_version())
    endpoint = "dns:///" + record.url.removeprefix("http://")
    task = replace(
        config.task,
        org=config.task.org or LOCAL_ORG,
        project=config.task.project or LOCAL_PROJECT,
        domain=config.task.domain or LOCAL_DOMAIN,
    )
    return replace(config, platform=replace(config.platform, endpoint=endpoint, insecure=True), task=task)


def _use(
    config: Config,
    root: pathlib.Path,
    images: dict[str, str],
    *,
    sync_local_sys_paths: bool,
    is_local: bool = False,
) -> None:
    set_session(
        Session(
            config=config,
            root_dir=root,
            transport=make_transport(config) if config.platform.endpoint else None,
            sync_local_sys_paths=sync_local_sys_paths,
            images=images,
            is_local_backend=is_local,
        )
    )


def current_project() -> str:
    """The project of the running task, else of the configuration.

    Raises:
        InitializationError: Neither is known (code `ProjectNotInitializedError`).
    """
    return _current("project")


def current_domain() -> str:
    """The domain of the running task, else of the configuration.

    Raises:
        InitializationError: Neither is known (code `DomainNotInitializedError`).
    """
    return _current("domain")


def _current(what: str) -> str:
    context = ctx()
    if context:
        value = getattr(context.action, what)
        if value:
            return str(value)
    session = current_session()
    config = session.config if session is not None else None
    if config is not None and getattr(config.task, what):
        return str(getattr(config.task, what))
    inside = os.environ.get(f"FLYTE_INTERNAL_EXECUTION_{what.upper()}")
    if inside:
        return inside
    raise InitializationError(
        f"{what.capitalize()}NotInitializedError",
        "user",
        f"flyte.current_{what}() does not know the {what} yet: nothing is initialised. Call flyte.init_from_config() "
        f"or flyte.init({what}=…) first; under the flyte command this is done before your module is loaded.",
    )


def is_initialized() -> bool:
    """True once an init function was called."""
    return current_session() is not None


def is_control_plane_available() -> bool:
    """True inside a task that a backend runs, and outside of tasks when a backend is configured."""
    context = ctx()
    if context:
        return context.is_in_cluster()
    session = current_session()
    return session is not None and session.transport is not None
