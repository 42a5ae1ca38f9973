"""`flyte get|create config`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import rich_click as click

from flyte.cli.connect import configuration
from flyte.cli.options import SETTINGS, output_option
from flyte.cli.printing import print_json, print_object
from flyte.cli.state import CliState
from flyte.client import local_backend
from flyte.config.settings import normalised_endpoint, org_from_endpoint
from flyte.errors import InvalidValue

_DEVBOX = "localhost:30080"
_AUTH_TYPES = {
    "app-credential": "ClientSecret",
    "client-secret": "ClientSecret",
    "clientsecret": "ClientSecret",
    "command": "ExternalCommand",
    "custom": "ExternalCommand",
    "device-flow": "DeviceFlow",
    "external-command": "ExternalCommand",
    "externalcommand": "ExternalCommand",
    "headless": "DeviceFlow",
    "pkce": "Pkce",
}
_DEFAULT_OUTPUT = pathlib.Path(".flyte/config.yaml")


class _AuthType(click.Choice):  # type: ignore[type-arg]  # generic in new versions of click only
    """A way to sign in, with dashes or underscores."""

    def __init__(self) -> None:
        super().__init__(list(_AUTH_TYPES), case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(str(value).replace("_", "-"), param, ctx)


@click.command("config", context_settings=SETTINGS)
@click.option("--devbox", is_flag=True, help=f"For a backend at {_DEVBOX}, as `flyte start backend` makes one.")
@click.option("--endpoint", help="Backend, as host:port, dns:///host:port, http://… or https://….")
@click.option("--insecure", is_flag=True, help="Plain text instead of TLS.")
@click.option("--org", help="Organisation. [default: from the endpoint]")
@click.option("-p", "--project", help="Default project.")
@click.option("-d", "--domain", help="Default domain.")
@click.option(
    "-o", "--output", "path", type=click.Path(dir_okay=False, path_type=pathlib.Path), default=_DEFAULT_OUTPUT,
    show_default=True, help="File to write.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--image-builder", "--builder", type=click.Choice(["local", "local-podman", "remote"]), default="local",
    show_default=True, help="Image builder.",
)  # fmt: skip
@click.option("--registry", help="Registry of images.")
@click.option("--auth-type", type=_AuthType(), help="How to sign in.")
@click.option("--local-persistence", is_flag=True, help="Record local runs.")
@click.option("--local-tracked", is_flag=True, help="Report local runs to the backend.")
def create_config(
    devbox: bool,
    endpoint: str | None,
    insecure: bool,
    org: str | None,
    project: str | None,
    domain: str | None,
    path: pathlib.Path,
    force: bool,
    image_builder: str,
    registry: str | None,
    auth_type: str | None,
    local_persistence: bool,
    local_tracked: bool,
) -> None:
    """Write a configuration file. One that is there is replaced with --force only."""
    if devbox and endpoint:
        raise click.UsageError(f"--devbox means --endpoint {_DEVBOX}: give one or the other.")
    if devbox:
        endpoint, insecure = _DEVBOX, True
        project, domain = project or "flytesnacks", domain or "development"
    if not any((endpoint, org, project, domain, local_persistence, local_tracked)):
        raise InvalidValue(
            "There is nothing to write: give at least one of --devbox, --endpoint, --org, --project, --domain, "
            "--local-persistence and --local-tracked."
        )
    admin: dict[str, Any] = {}
    if endpoint:
        address, insecure = normalised_endpoint(endpoint, insecure)
        admin["endpoint"] = address
    if insecure:
        admin["insecure"] = True
    if auth_type:
        admin["authType"] = _AUTH_TYPES[auth_type]
    sections = {
        "admin": admin,
        "image": {"builder": image_builder, "registry": registry},
        "local": {"persistence": local_persistence, "tracked": local_tracked},
        "task": {"org": org or org_from_endpoint(endpoint), "project": project, "domain": domain},
    }
    _write(path, {name: filled for name, part in sections.items() if (filled := _filled(part))}, force)
    click.echo(f"Wrote {path}")


def _filled(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value}


def _write(path: pathlib.Path, sections: dict[str, Any], force: bool) -> None:
    import yaml

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if force else "x", encoding="utf-8") as file:
            yaml.safe_dump(sections, file, sort_keys=True, allow_unicode=True)
    except FileExistsError:
        raise InvalidValue(f"{path} exists already. Replace it with --force, or write elsewhere with -o.") from None
    except OSError as e:
        raise InvalidValue(f"{path} cannot be written: {e.strerror}.") from e


@click.command("config", context_settings=SETTINGS)
@output_option()
@click.pass_obj
def get_config(state: CliState) -> None:
    """Show the configuration that applies: file, environment variables and options, merged."""
    config = configuration(state)
    data: dict[str, Any] = {"source": str(config.source) if config.source else None}
    for section in ("platform", "task", "image", "local"):
        data[section] = dataclasses.asdict(getattr(config, section))
    if data["platform"]["client_credentials_secret"]:
        data["platform"]["client_credentials_secret"] = "(set)"  # noqa: S105  that there is one
    if not config.platform.endpoint:
        record = local_backend.read_record()
        is_there = record is not None and local_backend.runs(record)
        data["local_backend"] = record.url if record is not None and is_there else "none runs"
    if state.is_json:
        print_json(data)
        return
    flat: dict[str, Any] = {}
    for name, part in data.items():
        flat |= {f"{name}.{key}": value for key, value in part.items()} if isinstance(part, dict) else {name: part}
    print_object({key: value for key, value in flat.items() if value not in (None, (), {})}, state)
