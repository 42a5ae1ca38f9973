"""From the global options to a session: the configured backend, this machine's own, or none."""

from __future__ import annotations

import pathlib
from dataclasses import replace

from flyte.cli.state import CliState
from flyte.client.init import (
    LOCAL_DOMAIN,
    LOCAL_ORG,
    LOCAL_PROJECT,
    init,
    init_from_config,
    named_images,
    use_local_backend,
    with_overrides,
)
from flyte.client.session import Session, require_session
from flyte.config.settings import Config, auto


def configuration(state: CliState, project: str | None = None, domain: str | None = None) -> Config:
    """The configuration with the options before it.

    Raises:
        InitializationError: The file that was named does not exist.
        InvalidValue: The file cannot be read; the sentence names file and line.
    """
    config = auto(state.config)
    platform = config.platform
    if state.endpoint:
        platform = replace(platform, endpoint=state.endpoint)
    if state.insecure is not None:
        platform = replace(platform, insecure=state.insecure)
    config = replace(config, platform=platform)
    return with_overrides(config, org=state.org, project=project, domain=domain, image_builder=state.image_builder)


def connect(
    state: CliState,
    *,
    project: str | None = None,
    domain: str | None = None,
    root_dir: pathlib.Path | None = None,
    images: tuple[str, ...] | None = None,
    start: bool = False,
    sync_local_sys_paths: bool = True,
) -> Session:
    """Connect to the configured backend, or to this machine's own.

    Args:
        start: Start this machine's own if it is the one and none runs.

    Raises:
        BackendUnreachable: This machine's own is the one, and none runs, or it does not answer.
        BackendError: It did not start, or has another version.
    """
    config = configuration(state, project, domain)
    if not config.platform.endpoint:
        config = use_local_backend(config, start=start)
    init_from_config(config, root_dir=root_dir, images=images, sync_local_sys_paths=sync_local_sys_paths)
    return require_session()


def prepare(
    state: CliState,
    *,
    project: str | None = None,
    domain: str | None = None,
    root_dir: pathlib.Path | None = None,
    images: tuple[str, ...] | None = None,
) -> None:
    """Make the configuration known, without a backend: for loading a user's file, and for local runs."""
    config = configuration(state, project, domain)
    task = config.task
    if not config.platform.endpoint:
        task = replace(
            task,
            org=task.org or LOCAL_ORG,
            project=task.project or LOCAL_PROJECT,
            domain=task.domain or LOCAL_DOMAIN,
        )
    init(
        org=task.org,
        project=task.project,
        domain=task.domain,
        root_dir=root_dir,
        image_builder=config.image.builder,
        images={**config.image.image_refs, **named_images(images)},
        image_registry=config.image.registry,
    )
