"""The frozen settings that a process works with, and how they are found (sdk_surface §3).

Precedence of each value: argument, environment variable, file, default. Public as `flyte.config`.
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from flyte.config.home import flyte_home
from flyte.errors import InitializationError, InvalidValue

log = logging.getLogger("flyte.config")

_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True)
class PlatformConfig:
    """Where the backend is and how to sign in (the `admin` section)."""

    endpoint: str | None = None
    insecure: bool = False
    insecure_skip_verify: bool = False
    ca_cert_file_path: str | None = None
    http_proxy_url: str | None = None
    disable_keyring: bool = False
    auth_mode: str = "Pkce"
    command: tuple[str, ...] | None = None
    proxy_command: tuple[str, ...] | None = None
    client_id: str | None = None
    client_credentials_secret: str | None = None
    scopes: tuple[str, ...] = ()
    rpc_retries: int = 3
    console_endpoint: str | None = None


@dataclass(frozen=True)
class TaskConfig:
    """The default scope of names (the `task` section)."""

    org: str | None = None
    project: str | None = None
    domain: str | None = None


@dataclass(frozen=True)
class ImageConfig:
    """How images are built (the `image` section)."""

    builder: str = "local"
    image_refs: dict[str, str] = field(default_factory=dict)
    registry: str | None = None


@dataclass(frozen=True)
class LocalConfig:
    """Local mode (the `local` section)."""

    persistence: bool = False
    tracked: bool = False
    tracked_strict: bool = False


@dataclass(frozen=True)
class Config:
    """Everything that a configuration file and the environment say.

    Args:
        source: The file, None where there is none.
    """

    platform: PlatformConfig = field(default_factory=PlatformConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    local: LocalConfig = field(default_factory=LocalConfig)
    source: pathlib.Path | None = None

    def with_params(
        self,
        platform: PlatformConfig | None = None,
        task: TaskConfig | None = None,
        image: ImageConfig | None = None,
    ) -> Config:
        """A copy with whole sections replaced."""
        return replace(self, platform=platform or self.platform, task=task or self.task, image=image or self.image)

    @classmethod
    def auto(cls, config_file: str | pathlib.Path | ConfigFile | None = None) -> Config:
        """See `auto`."""
        return auto(config_file)


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file that was read."""

    path: pathlib.Path
    values: Mapping[str, Any]

    def get(self, section: str, option: str) -> Any:
        """A value, None where the file does not have it or has it empty."""
        part = self.values.get(section)
        value = part.get(option) if isinstance(part, Mapping) else None
        return None if value in ("", [], {}) else value


def read_config_file(path: pathlib.Path) -> ConfigFile:
    """Read a YAML file, without ever building anything but plain data from it.

    Raises:
        InvalidValue: It cannot be read, or is no YAML mapping of sections; the sentence names file and line.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise InvalidValue(f"The configuration file {path} cannot be read: {e.strerror}.") from e
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as e:
        raise InvalidValue(f"The configuration file {path} is not valid YAML: {' '.join(str(e).split())}.") from e
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise InvalidValue(
            f"The configuration file {path} must hold sections (admin, task, image, …), not a {type(values).__name__}."
        )
    for section in sorted(_OUR_SECTIONS & set(values)):
        if not isinstance(values[section], dict | None):
            raise InvalidValue(f"In the configuration file {path}, {section} must be a section with options below it.")
    return ConfigFile(path, values)


_OUR_SECTIONS = frozenset({"admin", "task", "image", "local", "console"})


def _is_ours(path: pathlib.Path) -> bool:
    """A generic ./config.yaml counts only if it has a section of ours; one that no tool could read, with a warning."""
    try:
        return bool(_OUR_SECTIONS & set(read_config_file(path).values))
    except InvalidValue as e:
        log.warning("./%s is passed over. %s", path, e)
        return False


def _git_root() -> pathlib.Path | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return pathlib.Path(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None


def find_config_file() -> pathlib.Path | None:
    """The first existing file of the search order (sdk_surface §3.2), None where there is none."""
    here = pathlib.Path("config.yaml")
    if here.is_file() and _is_ours(here):
        return here
    nested = pathlib.Path(".flyte/config.yaml")
    if nested.is_file():
        return nested
    root = _git_root()
    if root is not None and (root / nested).is_file():
        return root / nested
    for name in ("UCTL_CONFIG", "FLYTECTL_CONFIG"):
        if os.environ.get(name):
            return pathlib.Path(os.environ[name]).expanduser()
    for path in (pathlib.Path.home() / ".union/config.yaml", flyte_home() / "config.yaml"):
        if path.is_file():
            return path
    return None


def get_config_file(config_file: str | pathlib.Path | ConfigFile | None = None) -> ConfigFile | None:
    """The configuration file that applies, read.

    Raises:
        InitializationError: An explicit file does not exist.
    """
    if isinstance(config_file, ConfigFile):
        return config_file
    path = pathlib.Path(config_file).expanduser() if config_file is not None else find_config_file()
    if path is None:
        return None
    if not path.is_file():
        raise InitializationError(
            "ConfigFileNotFoundError",
            "user",
            f"The configuration file {path} does not exist. Check the path.",
        )
    return read_config_file(path)


class _Reader:
    """One value after the other: environment, then file, then nothing."""

    def __init__(self, file: ConfigFile | None) -> None:
        self._file = file

    def raw(self, section: str, option: str, *names: str) -> Any:
        for name in (*names, f"FLYTE_{section}_{option}".upper()):
            if os.environ.get(name):
                return os.environ[name]
        return self._file.get(section, option) if self._file else None

    def text(self, section: str, option: str, *names: str) -> str | None:
        value = self.raw(section, option, *names)
        return None if value is None else str(value)

    def flag(self, section: str, option: str) -> bool:
        value = self.raw(section, option)
        if value is None or isinstance(value, bool):
            return bool(value)
        lowered = str(value).strip().lower()
        if lowered in _TRUE | _FALSE:
            return lowered in _TRUE
        raise InvalidValue(f"{section}.{option} must be true or false, not {value!r}.")

    def words(self, section: str, option: str, *names: str) -> tuple[str, ...] | None:
        value = self.raw(section, option, *names)
        if value is None:
            return None
        if isinstance(value, list | tuple):
            return tuple(map(str, value))
        text = str(value).strip()
        try:
            if text.startswith("["):
                return tuple(map(str, json.loads(text)))
            return tuple(shlex.split(text.replace(",", " ") if option == "scopes" else text))
        except ValueError as e:
            raise InvalidValue(f"{section}.{option} must be words, quoted as in a shell, or a JSON list: {e}.") from e

    def count(self, section: str, option: str, default: int) -> int:
        value = self.raw(section, option)
        try:
            number = default if value is None else int(value)
        except (TypeError, ValueError):
            number = -1
        if number < 0 or isinstance(value, bool):
            raise InvalidValue(f"{section}.{option} must be a whole number, 0 or more, not {value!r}.")
        return number

    def names(self, section: str, option: str) -> dict[str, str]:
        """Names and what they stand for: a mapping of the file, or JSON in the environment."""
        value = self.raw(section, option)
        try:
            mapping = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            mapping = value
        if mapping is None:
            return {}
        if not isinstance(mapping, Mapping):
            raise InvalidValue(f"{section}.{option} must be a mapping of names, not {value!r}.")
        return {str(name): str(meant) for name, meant in mapping.items()}


def normalised_endpoint(endpoint: str, insecure: bool) -> tuple[str, bool]:
    """`dns:///host:port`, and whether the connection is plain text.

    Raises:
        InvalidValue: The scheme is unknown, the host is missing, or the port is none.
    """
    scheme, separator, rest = endpoint.partition("://")
    if not separator:
        scheme, rest = "dns", endpoint
    if scheme not in ("dns", "http", "https"):
        raise InvalidValue(f"The endpoint {endpoint!r} must be host:port, dns:///host:port, http://… or https://….")
    host = rest.lstrip("/").rstrip("/")
    if not host or "/" in host or any(c.isspace() for c in host):
        raise InvalidValue(f"The endpoint {endpoint!r} has no host. Write host:port.")
    try:
        is_complete = bool(urlsplit(f"//{host}").hostname) and urlsplit(f"//{host}").port != 0
    except ValueError:
        is_complete = False
    if not is_complete:
        raise InvalidValue(f"The endpoint {endpoint!r} has no host, or a port that is none. Write host:port.")
    if scheme == "http":
        insecure = True
    return f"dns:///{host}", insecure


def base_url(platform: PlatformConfig) -> str:
    """`http(s)://host:port` of the backend.

    Raises:
        InitializationError: No endpoint is configured.
    """
    if not platform.endpoint:
        raise InitializationError("MissingEndpointOrApiKeyError", "user", "No endpoint is configured.")
    endpoint, insecure = normalised_endpoint(platform.endpoint, platform.insecure)
    return f"{'http' if insecure else 'https'}://{endpoint.removeprefix('dns:///')}"


def org_from_endpoint(endpoint: str | None) -> str | None:
    """The first label of a host with more than two labels; an address of numbers has none."""
    if not endpoint:
        return None
    host = normalised_endpoint(endpoint, insecure=False)[0].removeprefix("dns:///").rsplit(":", 1)[0]
    labels = [] if host.startswith("[") or host.replace(".", "").isdigit() else host.split(".")
    return labels[0] if len(labels) > 2 else None


def auto(config_file: str | pathlib.Path | ConfigFile | None = None) -> Config:
    """Find, read and merge the configuration.

    Args:
        config_file: A file to use in place of the search.

    Raises:
        InitializationError: An explicit file does not exist.
        InvalidValue: A file or a value cannot be read.
    """
    file = get_config_file(config_file)
    read = _Reader(file)
    endpoint = read.text("admin", "endpoint")
    secret = _client_secret(read)
    return Config(
        platform=PlatformConfig(
            endpoint=endpoint,
            insecure=read.flag("admin", "insecure"),
            insecure_skip_verify=read.flag("admin", "insecureSkipVerify"),
            ca_cert_file_path=read.text("admin", "caCertFilePath"),
            http_proxy_url=read.text("admin", "httpProxyURL"),
            disable_keyring=read.flag("admin", "disableKeyring"),
            auth_mode="ClientSecret" if secret else read.text("admin", "authType", "FLYTE_AUTH_TYPE") or "Pkce",
            command=read.words("admin", "command", "FLYTE_AUTH_COMMAND"),
            proxy_command=read.words("admin", "proxyCommand", "FLYTE_AUTH_PROXY_COMMAND"),
            client_id=read.text("admin", "clientId"),
            client_credentials_secret=secret,
            scopes=read.words("admin", "scopes") or (),
            rpc_retries=read.count("admin", "rpcRetries", 3),
            console_endpoint=read.text("console", "endpoint"),
        ),
        task=TaskConfig(
            org=read.text("task", "org") or org_from_endpoint(endpoint),
            project=read.text("task", "project"),
            domain=read.text("task", "domain"),
        ),
        image=ImageConfig(
            builder=read.text("image", "builder") or "local",
            image_refs=read.names("image", "image_refs"),
            registry=read.text("image", "registry"),
        ),
        local=LocalConfig(
            persistence=read.flag("local", "persistence"),
            tracked=read.flag("local", "tracked"),
            tracked_strict=read.flag("local", "tracked_strict"),
        ),
        source=file.path if file else None,
    )


def _client_secret(read: _Reader) -> str | None:
    variable = read.text("admin", "clientSecretEnvVar")
    if variable and os.environ.get(variable):
        return os.environ[variable]
    location = read.text("admin", "clientSecretLocation")
    if location:
        try:
            return pathlib.Path(location).expanduser().read_text(encoding="utf-8").strip()
        except OSError as e:
            raise InvalidValue(f"The client secret file {location} cannot be read: {e.strerror}.") from e
    return None


def set_if_exists(d: dict[str, Any], k: str, val: Any) -> dict[str, Any]:
    """Put a value into a dict when it is a bool or not empty."""
    if isinstance(val, bool) or val:
        d[k] = val
    return d
