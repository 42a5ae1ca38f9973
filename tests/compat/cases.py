"""The command lines that both clients are given, and the programs they name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One command line.

    Args:
        name: Of the case; also the project that it uses, by which its requests are found.
        argv: After `flyte -c FILE`.
        folder: Where it runs, relative to the programs.
    """

    name: str
    argv: tuple[str, ...]
    folder: str = "."


def _case(name: str, *argv: str, folder: str = ".") -> Case:
    return Case(name, argv, folder)


CASES = (
    _case("scalars", "run", "scalars.py", "main", "--a", "-3", "--b", "2", "--c", "tëxt", "--d",
          "--when", "2024-05-06T07:08:09", "--day", "2024-05-06", "--span", "1 minute"),
    _case("nested", "run", "nested.py", "main", "--n", "4"),
    _case("nested-deploy", "deploy", "nested.py", "env"),
    _case("synchronous", "run", "synchronous.py", "main"),
    _case("mapping", "run", "mapping.py", "main", "--xs", "[3,1,2]", "--table", '{"b": [1.5], "a": []}'),
    _case("mapping-deploy", "deploy", "mapping.py", "env"),
    _case("grouped", "run", "grouped.py", "main"),
    _case("records", "run", "records.py", "main", "--shape",
          '{"name": "n", "points": [{"x": 1, "y": 2.0}], "tags": {"k": "v"}, "made": null}',
          "--more", '[{"x": 5, "y": 1.0}]'),
    _case("models", "run", "models.py", "main", "--whole", '{"name": "w", "parts": [{"size": 3}]}'),
    _case("choices", "run", "choices.py", "main", "--color", "RED", "--size", "L"),
    _case("choices-literal", "run", "choices.py", "modes", "--mode", "FAST"),
    _case("unions", "run", "unions.py", "main", "--a", "3", "--b", "text"),
    _case("defaults", "run", "defaults.py", "main"),
    _case("defaults-deploy", "deploy", "defaults.py", "env"),
    _case("described", "run", "described.py", "main", "--x", "1"),
    _case("described-deploy", "deploy", "described.py", "env"),
    _case("described-lengthy", "deploy", "described.py", "plain"),
    _case("machines", "run", "machines.py", "main"),
    _case("machines-deploy", "deploy", "machines.py", "small"),
    _case("retried", "run", "retried.py", "main"),
    _case("retried-deploy", "deploy", "retried.py", "env"),
    _case("timed", "deploy", "timed.py", "env"),
    _case("cached", "run", "cached.py", "main", "--x", "1"),
    _case("cached-deploy", "deploy", "cached.py", "env"),
    _case("secretive", "deploy", "secretive.py", "single"),
    _case("variables", "run", "--env", "FOO=bar", "--env", "ALPHA=run", "variables.py", "main"),
    _case("variables-deploy", "deploy", "variables.py", "env"),
    _case("several", "deploy", "several.py", "top"),
    _case("several-version", "deploy", "--version", "v1.2", "several.py", "left"),
    _case("outputs", "run", "outputs.py", "main", "--x", "1"),
    _case("outputs-deploy", "deploy", "outputs.py", "env"),
    _case("pickled", "deploy", "pickled.py", "env"),
    _case("typed", "deploy", "typed.py", "env"),
    _case("odd", "deploy", "odd.py", "env"),
    _case("flagged", "run", "--name", "my-run", "--label", "team=ml", "--label", "a=b", "--service-account", "me",
          "--raw-data-path", "s3://bucket/raw", "--queue", "other", "--max-action-concurrency", "4",
          "flagged.py", "main", "--x", "2"),
    _case("flagged-deploy", "deploy", "flagged.py", "env"),
    _case("srclayout", "run", "acme/flows/pipeline.py", "main", folder="srclayout/src"),
    _case("srclayout-root", "run", "--root-dir", "src", "src/acme/flows/pipeline.py", "main", folder="srclayout"),
    _case("srclayout-deploy", "deploy", "--root-dir", "src", "src/acme/flows/pipeline.py", "env", folder="srclayout"),
)  # fmt: skip
"""Twenty-three programs and the ways to submit them."""
