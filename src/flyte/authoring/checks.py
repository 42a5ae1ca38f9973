"""The checks of settings that environments and tasks share, so that both answer with the same sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyte.errors import InvalidType, InvalidValue
from flyte.model.documentation import Documentation, Link
from flyte.model.image import Image
from flyte.model.pod import PodTemplate
from flyte.model.resources import Resources
from flyte.model.reuse import ReusePolicy
from flyte.model.secret import Secret, as_secrets
from flyte.model.trigger import Trigger

LONGEST_SHORT_NAME = 63

_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "image": ((str, Image), "a str or a flyte.Image"),
    "secrets": ((str, Secret, list, tuple), "names or flyte.Secret objects"),
    "resources": ((Resources,), "a flyte.Resources"),
    "env_vars": ((dict,), "a dict of str to str"),
    "pod_template": ((str, PodTemplate), "a name or a flyte.PodTemplate"),
    "service_account": ((str,), "a str"),
    "reusable": ((ReusePolicy,), "a flyte.ReusePolicy"),
    "queue": ((str,), "a str"),
    "description": ((str,), "a str"),
    "interruptible": ((bool,), "True or False"),
    "docs": ((Documentation,), "a flyte.Documentation"),
    "report": ((bool,), "True or False"),
    "entrypoint": ((bool,), "True or False"),
    "produces_artifacts": ((bool,), "True or False"),
    "short_name": ((str,), "a str"),
    "max_inline_io_bytes": ((int,), "a number of bytes"),
}
"""Setting → what it may be, beside None."""


def check_settings(owner: str, settings: Mapping[str, Any]) -> None:
    """Check the type of each setting that is known here.

    Args:
        owner: What the settings are of, as the sentence begins: `Environment 'x'`.

    Raises:
        InvalidType: A setting has the wrong type; the sentence names owner and setting.
        InvalidValue: A setting has a value that cannot be.
    """
    for name, value in settings.items():
        if value is None or name not in _KINDS:
            continue
        kinds, wanted = _KINDS[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise InvalidType(f"{owner}: {name} must be {wanted}, not {value!r}.")
    as_secrets(settings.get("secrets"))
    for key, value in (settings.get("env_vars") or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidType(f"{owner}: env_vars[{key!r}] must be text, not {value!r}.")
        if not key or "=" in key or "\0" in key + value:
            raise InvalidValue(f"{owner}: {key!r} cannot be an environment variable.")
    if (short_name := settings.get("short_name")) and len(short_name) > LONGEST_SHORT_NAME:
        raise InvalidValue(f"{owner}: short_name {short_name!r} is longer than {LONGEST_SHORT_NAME} characters.")
    if (limit := settings.get("max_inline_io_bytes")) is not None and limit < 1:
        raise InvalidValue(f"{owner}: max_inline_io_bytes must be at least 1, got {limit}.")


def as_triggers(owner: str, triggers: Any) -> tuple[Trigger, ...]:
    """One trigger or several, as a tuple.

    Raises:
        InvalidType: An element is not a trigger.
        InvalidValue: Two have one name.
    """
    found = tuple(triggers) if isinstance(triggers, tuple | list) else (triggers,)
    for trigger in found:
        if not isinstance(trigger, Trigger):
            raise InvalidType(f"{owner}: triggers must be flyte.Trigger objects, not {trigger!r}.")
    names = [trigger.name for trigger in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidValue(f"{owner} has two triggers called {name!r}.")
    return found


def as_links(owner: str, links: Any) -> tuple[Link, ...]:
    """One link or several, as a tuple.

    Raises:
        InvalidType: An element lacks `name`, `icon_uri` or `get_link`.
    """
    found = tuple(links) if isinstance(links, tuple | list) else (links,)
    for link in found:
        if not isinstance(link, Link):
            raise InvalidType(f"{owner}: a link needs name, icon_uri and get_link(…), which {link!r} has not.")
    return found
