"""Writes docs/compatibility.md: our public names and signatures beside those of the official SDK.

    python scripts/generate_compatibility.py            write the page
    python scripts/generate_compatibility.py --check    fail where the page is not current
    OFFICIAL_PYTHON scripts/generate_compatibility.py --record    print the surface of the `flyte` installed there

The record of the official SDK is tests/surface/official_names.json: names, kinds and parameter names as
introspection shows them, nothing else. This file uses the standard library only, so that it can run under any
interpreter that has a package called `flyte`.
"""

from __future__ import annotations

import argparse
import enum
import functools
import importlib
import inspect
import json
import sys
import warnings
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
RECORD = ROOT / "tests" / "surface" / "official_names.json"

NAMESPACES = (
    "flyte",
    "flyte.io",
    "flyte.io.extend",
    "flyte.types",
    "flyte.remote",
    "flyte.git",
    "flyte.config",
    "flyte.storage",
    "flyte.report",
    "flyte.models",
    "flyte.errors",
    "flyte.syncify",
    "flyte.durable",
    "flyte.notify",
    "flyte.extend",
    "flyte.extras",
    "flyte.extras.shell",
    "flyte.extras.webhooks",
    "flyte.extras.model_streamer",
    "flyte.artifacts",
    "flyte.app",
    "flyte.app.extras",
    "flyte.sandbox",
    "flyte.prefetch",
    "flyte.clustered",
    "flyte.connectors",
    "flyte.ai.agents",
    "flyte.ai.chat",
    "flyte.ai.mcp",
)

_INTERNAL = {
    "flyte.models": {"TYPE_CHECKING", "CLUSTERED_WORKER_ENV", "MAX_INLINE_IO_BYTES"},
    "flyte.errors": {"silence_polling_error"},
}
"""What modules without `__all__` show and the reference does not count as public."""

Entry = dict[str, Any]
"""`kind`, and where they exist `parameters` (names, with `*`, `**`, `/` as in Python) and `members` (name → entry)."""


def parameters_of(value: Any) -> list[str] | None:
    """Parameter names of a callable, marked as in Python; None where it does not tell them."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    listed: list[str] = []
    star = False
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    for index, (name, parameter) in enumerate(signature.parameters.items()):
        if name in ("self", "cls") and index == 0:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            listed.append(f"*{name}")
            star = True
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            listed.append("*")
            star = True
        listed.append(f"**{name}" if parameter.kind is parameter.VAR_KEYWORD else name)
        is_last_positional = index + 1 == len(kinds) or kinds[index + 1] is not parameter.POSITIONAL_ONLY
        if parameter.kind is parameter.POSITIONAL_ONLY and is_last_positional:
            listed.append("/")
    return listed


def _members(owner: type) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for base in reversed(owner.__mro__):
        if not base.__module__.startswith("flyte.") or base.__module__.startswith("flyteidl"):
            continue
        for name, value in vars(base).items():
            if name.startswith("_"):
                continue
            if isinstance(value, property | functools.cached_property):
                found[name] = {"kind": "property"}
            elif callable(value) or isinstance(value, classmethod | staticmethod):
                bound = inspect.getattr_static(owner, name)
                if not inspect.isclass(bound):
                    found[name] = _callable(getattr(owner, name), "method")
    return found


def _callable(value: Any, kind: str) -> Entry:
    entry: Entry = {"kind": "syncified" if hasattr(value, "aio") else kind}
    parameters = parameters_of(value)
    if parameters is not None:
        entry["parameters"] = parameters
    return entry


def entry_of(value: Any) -> Entry:
    """What introspection tells about one public name."""
    if inspect.ismodule(value):
        return {"kind": "module"}
    if inspect.isclass(value):
        if issubclass(value, BaseException):
            kind = "exception"
        else:
            kind = "protocol" if getattr(value, "_is_protocol", False) else "class"
        entry: Entry = {"kind": kind}
        if kind == "class" and not issubclass(value, enum.Enum):  # how an enum is called follows from Python's version
            parameters = parameters_of(value)
            if parameters is not None:
                entry["parameters"] = parameters
        if kind != "exception":
            entry["members"] = dict(sorted(_members(value).items()))
        return entry
    if callable(value) and not _is_alias(value):
        return _callable(value, "function")
    return {"kind": "value"}


def _is_alias(value: Any) -> bool:
    return hasattr(value, "__origin__") or (
        type(value).__module__ in ("typing", "types") and not inspect.isroutine(value)
    )


def names_of(module: ModuleType) -> list[str]:
    """The public names of a module: its `__all__`, else what it or a sibling of its package defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(set(listed))
    home = module.__name__
    found = []
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        origin = getattr(value, "__module__", home)
        if (isinstance(origin, str) and (origin == "flyte" or origin.startswith("flyte."))) or name.isupper():
            found.append(name)
    return sorted(set(found) - _INTERNAL.get(home, set()))


def record() -> dict[str, Any]:
    """The surface of the `flyte` that this interpreter has installed."""
    namespaces: dict[str, Any] = {}
    for namespace in NAMESPACES:
        try:
            module = importlib.import_module(namespace)
        except ImportError as e:
            print(f"{namespace} cannot be imported here: {e}", file=sys.stderr)
            continue
        entries = {}
        for name in names_of(module):
            try:
                entries[name] = entry_of(getattr(module, name))
            except (AttributeError, ImportError) as e:
                print(f"{namespace}.{name} cannot be read here: {e}", file=sys.stderr)
                entries[name] = {"kind": "value"}
        namespaces[namespace] = entries
    return {"version": metadata.version("flyte"), "namespaces": namespaces}


# The comparison


def _unstarred(parameters: list[str]) -> dict[str, str]:
    return {name.lstrip("*"): name for name in parameters if name not in ("*", "/")}


def _parameter_notes(official: list[str], ours: list[str]) -> list[str]:
    mine, theirs = _unstarred(ours), _unstarred(official)
    notes = []
    lacking = [name for name in theirs if name not in mine and not name.startswith("_")]
    lacking = [name for name in lacking if not theirs[name].startswith("*")]
    if lacking:
        takes_more = [shown for shown in mine.values() if shown.startswith("**")]
        how = f" by name (it takes `{takes_more[0]}`)" if takes_more else ""
        notes.append(f"does not declare{how} " + ", ".join(f"`{name}`" for name in lacking))
    further = [name for name in mine if name not in theirs and not mine[name].startswith("*")]
    further = [name for name in further if not name.startswith("_")]
    if further:
        notes.append("also takes " + ", ".join(f"`{name}`" for name in further))
    return notes


def differences(official: Entry, ours: Entry) -> list[str]:
    """How one of our names differs from the official one; empty where it is the same to introspection."""
    notes = []
    kinds = (official["kind"], ours["kind"])
    if kinds[0] != kinds[1] and not {*kinds} <= {"class", "protocol"} and not {*kinds} <= {"method", "property"}:
        wording = {"syncified": "a function with a blocking and an `.aio` form"}
        notes.append(f"is {wording.get(kinds[1], kinds[1])}, not {wording.get(kinds[0], kinds[0])}")
    if "parameters" in official and "parameters" in ours:
        notes += _parameter_notes(official["parameters"], ours["parameters"])
    theirs, mine = official.get("members", {}), ours.get("members", {})
    lacking = [name for name in theirs if name not in mine]
    if lacking:
        notes.append("lacks " + ", ".join(f"`.{name}`" for name in lacking))
    for name in theirs:
        if name in mine:
            notes += [f"`.{name}` {note}" for note in differences(theirs[name], mine[name])]
    return notes


def _ours(namespace: str, name: str) -> Entry | None:
    try:
        return entry_of(getattr(importlib.import_module(namespace), name))
    except (AttributeError, ImportError):
        return None


def _section(namespace: str, official: dict[str, Entry]) -> tuple[list[str], tuple[int, int, int]]:
    rows, absent, same = [], [], 0
    for name, entry in official.items():
        ours = _ours(namespace, name)
        if ours is None:
            absent.append(name)
            continue
        notes = differences(entry, ours)
        same += not notes
        rows.append(f"| `{name}` | {'differs: ' + '; '.join(notes) if notes else 'same'} |")
    counts = (same, len(rows) - same, len(absent))
    lines = [f"## `{namespace}`", ""]
    if rows:
        lines += ["| name | |", "|---|---|", *rows, ""]
    if absent:
        whole = "Absent as a whole: " if not rows else "Absent: "
        lines += [whole + ", ".join(f"`{name}`" for name in absent) + ".", ""]
    return lines, counts


def _additions(namespace: str, official: dict[str, Entry]) -> list[str]:
    from flyte import surface

    if namespace not in surface.TABLES:
        return []
    mine = set(surface.TABLES[namespace])
    return sorted(mine - set(official))


_BEHAVIOUR = (
    (
        "the call of a synchronous task in an asynchronous task",
        "raises `SyncTaskCallInAsyncContextError`",
        "can be awaited; used without that it raises the error ([why](decisions/awaiting-synchronous-tasks.md))",
    ),
    ("`flyte.map` in local mode", "one element after the other", "all at once, or as `concurrency` says"),
    ("timeouts, environment variables and secrets in local mode", "ignored", "applied"),
    ("a local run", "has no name of its own and no phase", "has both, and is kept in the history"),
    ("`str(run)`", "a table of facts about the run", "the value of a finished run with one output"),
)
"""What introspection does not show and a user may meet."""


def page() -> str:
    """The text of docs/compatibility.md."""
    official = json.loads(RECORD.read_text())
    body: list[str] = []
    table: list[str] = []
    totals = [0, 0, 0]
    for namespace in NAMESPACES:
        entries = official["namespaces"][namespace]
        lines, counts = _section(namespace, entries)
        extra = _additions(namespace, entries)
        if extra:
            lines += ["Ours alone: " + ", ".join(f"`{name}`" for name in extra) + ".", ""]
        body += lines
        totals = [a + b for a, b in zip(totals, counts, strict=True)]
        table.append(f"| `{namespace}` | {counts[0]} | {counts[1]} | {counts[2]} |")
    head = [
        "<!-- Generated by scripts/generate_compatibility.py; do not edit. -->",
        "# Compatibility",
        "",
        f"The public names of the official Flyte SDK {official['version']}, and what this distribution has of them.",
        "The page is made by introspection of both: it compares names, kinds, parameter names and public members. Of",
        "behaviour it names what differs on purpose; what is the same the tests against the official client show.",
        "",
        "- **same**: nothing differs that introspection shows.",
        "- **differs**: the name exists; what differs stands beside it.",
        "- **absent**: reaching the name raises `flyte.errors.FeatureNotAvailable`, which is an `AttributeError` for",
        "  `flyte.name` and an `ImportError` for `from flyte import name` and `import flyte.name`.",
        "",
        "| namespace | same | differs | absent |",
        "|---|---|---|---|",
        *table,
        f"| all | {totals[0]} | {totals[1]} | {totals[2]} |",
        "",
        "## Behaviour that differs on purpose",
        "",
        "| what | official | here |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in _BEHAVIOUR),
        "",
    ]
    return "\n".join([*head, *body]).rstrip() + "\n"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write docs/compatibility.md.")
    parser.add_argument("--check", action="store_true", help="Fail where the page is not current; write nothing.")
    parser.add_argument("--record", action="store_true", help="Print the surface of the flyte installed here.")
    options = parser.parse_args()
    if options.record:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            json.dump(record(), sys.stdout, indent=1, sort_keys=True)
        return 0
    text = page()
    if options.check:
        if PAGE.exists() and PAGE.read_text() == text:
            return 0
        print(f"{PAGE.name} is not current: run python scripts/generate_compatibility.py", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
