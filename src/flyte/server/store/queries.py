"""Named SQL: one file a table, one block a query, a comment above each.

    -- name: get
    -- What the query is for.
    SELECT …;

is `actions.get` when it stands in `actions.sql`. Values are named, `:run_id`. A dialect may have its own variant
of a block, `-- name: get (postgres)`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

_BLOCK = re.compile(
    r"^-- name: (?P<name>\w+)(?: \((?P<dialect>\w+)\))?[ \t]*\n(?P<body>.*?)(?=^-- name: |\Z)", re.M | re.S
)


@lru_cache(maxsize=4)
def queries(dialect: str) -> dict[str, str]:
    """All queries by name, in one dialect."""
    found: dict[str, str] = {}
    folder = resources.files("flyte.server.store") / "sql" / "queries"
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        table = file.name.removesuffix(".sql")
        for block in _BLOCK.finditer(file.read_text(encoding="utf-8")):
            name = f"{table}.{block['name']}"
            if block["dialect"] is None:
                found.setdefault(name, block["body"].strip())
            elif block["dialect"] == dialect:
                found[name] = block["body"].strip()
    return found


def schema(dialect: str) -> str:
    """The statements that make a fresh database."""
    del dialect
    return (resources.files("flyte.server.store") / "sql" / "schema.sql").read_text(encoding="utf-8")
