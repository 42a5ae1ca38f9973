"""What else in this environment installs a package called `flyte`."""

from __future__ import annotations

from importlib import metadata

OFFICIAL, OURS = "flyte", "flyte-py"


def official_sdk_warning() -> str | None:
    """One sentence when the official distribution is installed beside this one; None where it is not.

    Both put their files into one folder called `flyte`, so that whichever was installed last has overwritten parts of
    the other: neither works reliably.
    """
    official, ours = _version(OFFICIAL), _version(OURS)
    if official is None or ours is None:
        return None
    return (
        f"The official distribution flyte {official} is installed beside flyte-py {ours}, and both own the package "
        "'flyte', so their files mix: run `pip uninstall flyte flyte-py`, then install the one that you want."
    )


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
