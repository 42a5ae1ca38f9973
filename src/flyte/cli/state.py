"""What the global options said, and the session that they ask for."""

from __future__ import annotations

import logging
import pathlib
from dataclasses import dataclass, replace

from flyte.client.init import init_from_config, use_local_backend, with_overrides
from flyte.client.session import Session, require_session
from flyte.config.settings import Config, auto


@dataclass(frozen=True)
class CliState:
    """The global options."""

    config: str | None = None
    endpoint: str | None = None
    insecure: bool | None = None
    org: str | None = None
    image_builder: str | None = None
    verbose: int = 0
    output: str = "table"
    log_format: str = "console"
    user_log_level: str | None = None
    no_progress: bool = False

    @property
    def is_json(self) -> bool:
        """True when results are to be JSON."""
        return self.output in ("json", "json-raw")

    def set_levels(self) -> None:
        """Apply the logging options."""
        levels = {0: logging.WARNING, 1: logging.WARNING, 2: logging.INFO}
        level = levels.get(self.verbose, logging.DEBUG)
        logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("flyte").setLevel(level)
        if self.user_log_level:
            logging.getLogger("flyte.user").setLevel(self.user_log_level.upper())

    def loaded(self, project: str | None = None, domain: str | None = None) -> Config:
        """The configuration with the options before it.

        Raises:
            InitializationError: The file that was named does not exist.
        """
        config = auto(self.config)
        platform = config.platform
        if self.endpoint:
            insecure = self.insecure if self.insecure is not None else platform.insecure
            platform = replace(platform, endpoint=self.endpoint, insecure=insecure)
        elif self.insecure is not None:
            platform = replace(platform, insecure=self.insecure)
        config = replace(config, platform=platform)
        return with_overrides(config, org=self.org, project=project, domain=domain, image_builder=self.image_builder)

    def initialise(
        self,
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
        """
        config = self.loaded(project, domain)
        if not config.platform.endpoint:
            config = use_local_backend(config, start=start)
        init_from_config(config, root_dir=root_dir, images=images, sync_local_sys_paths=sync_local_sys_paths)
        return require_session()

    def initialise_local(
        self, *, project: str | None = None, domain: str | None = None, root_dir: pathlib.Path | None = None
    ) -> None:
        """Make the configuration known without a backend."""
        from flyte.client.init import init

        config = self.loaded(project, domain)
        init(org=config.task.org, project=config.task.project, domain=config.task.domain, root_dir=root_dir)
