"""From a stored TaskSpec to a command line and an environment: the `a0` contract (wire_protocol §3.4, §5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from flyteidl2.task import run_pb2, task_definition_pb2

from flyte.wire.runspec import env_vars

_PLACEHOLDER = re.compile(r"\{\{\s*\$?\.(\w+)\s*\}\}")
_RAW_DATA = "raw"
_CHECKPOINTS = "_flytecheckpoints"


@dataclass(frozen=True, kw_only=True)
class AttemptPlace:
    """Everything that a command line depends on beside the specification.

    Args:
        attempt: Counting from 1.
        run_output_base: Ends with a slash.
        endpoint: `host:port` of the control plane, as the task reaches it.
    """

    org: str
    project: str
    domain: str
    run_name: str
    action_name: str
    attempt: int
    input_uri: str
    run_output_base: str
    run_start_time: datetime
    endpoint: str
    is_insecure: bool = True


@dataclass(frozen=True)
class LaunchCommand:
    """What to start.

    Args:
        env: What the contract and the user ask for; the process gets it on top of a clean environment.
        output_prefix: Where outputs.pb or error.pb will be.
        expects_outputs: A clean end without outputs.pb is a failure: the interface promises outputs, or the program
            is an `a0`, which leaves the file in any case.
        secrets: Keys of the secrets that the task declares.
    """

    argv: list[str]
    env: dict[str, str]
    image: str
    output_prefix: str
    expects_outputs: bool
    secrets: tuple[str, ...]


def output_prefix(place: AttemptPlace) -> str:
    """The folder of an attempt's outputs."""
    return f"{place.run_output_base}{place.action_name}/{place.attempt}"


def launch_command(spec: bytes, run_spec: bytes, place: AttemptPlace) -> LaunchCommand:
    """The process that executes an attempt.

    Placeholders in arguments are filled in; unknown ones stay, as the official backend leaves them.
    """
    template = task_definition_pb2.TaskSpec.FromString(spec).task_template
    run = run_pb2.RunSpec.FromString(run_spec)
    prefix = output_prefix(place)
    raw_base = run.raw_data_storage.raw_data_prefix
    values = {
        "input": place.input_uri,
        "inputprefix": place.input_uri.rpartition("/")[0],
        "outputprefix": prefix,
        "rawoutputdataprefix": f"{raw_base.rstrip('/')}/{place.run_name}/{place.action_name}"
        if raw_base
        else f"{prefix}/{_RAW_DATA}",
        "checkpointoutputprefix": f"{prefix}/{_CHECKPOINTS}",
        "prevcheckpointprefix": _previous_checkpoint(place),
        "runname": place.run_name,
        "actionname": place.action_name,
        "runstarttime": place.run_start_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "perretryuniquekey": f"{place.run_name}-{place.action_name}-{place.attempt}",
        "namespace": f"{place.project}-{place.domain}",
    }

    def fill(text: str) -> str:
        return _PLACEHOLDER.sub(lambda match: values.get(match[1].lower(), match[0]), text)

    container = template.container
    argv = [fill(part) for part in (*container.command, *container.args)]
    return LaunchCommand(
        argv=argv,
        env={
            **{pair.key: pair.value for pair in container.env},
            **env_vars(run),
            **contract_env(place),
        },
        image=container.image,
        output_prefix=prefix,
        expects_outputs=bool(template.interface.outputs.variables) or argv[:1] == ["a0"],
        secrets=tuple(secret.key for secret in template.security_context.secrets),
    )


def _previous_checkpoint(place: AttemptPlace) -> str:
    if place.attempt == 1:
        return '""'
    return f"{place.run_output_base}{place.action_name}/{place.attempt - 1}/{_CHECKPOINTS}"


def contract_env(place: AttemptPlace) -> dict[str, str]:
    """The variables that every `a0` reads."""
    return {
        "_U_ORG_NAME": place.org or "local",
        "_U_RUN_BASE": place.run_output_base,
        "_U_EP_OVERRIDE": place.endpoint,
        "_U_INSECURE": "true" if place.is_insecure else "false",
        "_U_USE_ACTIONS": "1",
        "FLYTE_INTERNAL_EXECUTION_PROJECT": place.project,
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": place.domain,
        "FLYTE_INTERNAL_EXECUTION_ID": place.run_name,
        "RUN_NAME": place.run_name,
        "ACTION_NAME": place.action_name,
        "FLYTE_ATTEMPT_NUMBER": str(place.attempt - 1),
        # A parent writes its children's inputs into folders that do not exist yet.
        "FSSPEC_FILE_AUTO_MKDIR": "True",
        # Foreign runtimes report to their maker otherwise.
        "DO_NOT_TRACK": "1",
        "FLYTE_DISABLE_SENTRY": "1",
        "FLYTE_DISABLE_TELEMETRY": "1",
    }
