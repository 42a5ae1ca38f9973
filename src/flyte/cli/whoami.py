"""`flyte whoami`."""

from __future__ import annotations

import rich_click as click

from flyte.cli.connect import connect
from flyte.cli.options import SETTINGS, output_option
from flyte.cli.printing import print_object
from flyte.cli.state import CliState
from flyte.config.settings import base_url
from flyte.remote.project import User


@click.command("whoami", context_settings=SETTINGS)
@output_option()
@click.pass_obj
def whoami(state: CliState) -> None:
    """Say who you are to the backend, and which backend that is."""
    config = connect(state).config
    user = User.get()
    print_object({"subject": user.subject(), "name": user.name(), "endpoint": base_url(config.platform)}, state)
