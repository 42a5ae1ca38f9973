"""Rows of the database → messages that tell about actions, attempts and runs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from flyteidl2.common import identifier_pb2
from flyteidl2.core import execution_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from flyteidl2.workflow import run_definition_pb2, state_service_pb2

from flyte.model.phase import ActionPhase
from flyte.server.services.times import stamp
from flyte.server.store.port import Row
from flyte.wire.phases import phase_to_pb

_KINDS = {"user": run_definition_pb2.ErrorInfo.KIND_USER, "system": run_definition_pb2.ErrorInfo.KIND_SYSTEM}


def action_id(row: Row) -> identifier_pb2.ActionIdentifier:
    """Who an action is."""
    run = identifier_pb2.RunIdentifier(
        org=row["org"], project=row["project"], domain=row["domain"], name=row["run_name"]
    )
    return identifier_pb2.ActionIdentifier(run=run, name=row["name"])


def action_status(row: Row) -> run_definition_pb2.ActionStatus:
    """Where an action is."""
    started, ended = row["started_at"], row["ended_at"]
    status = run_definition_pb2.ActionStatus(
        phase=phase_to_pb(ActionPhase(row["phase"])),
        start_time=stamp(row["created_at"]),
        attempts=row["attempt"],
        cache_status=row["cache_status"],
    )
    if ended is not None:
        status.end_time.CopyFrom(stamp(ended))
        status.duration_ms = (ended - (started or row["created_at"])) // 1000
    return status


def action_metadata(row: Row) -> run_definition_pb2.ActionMetadata:
    """What an action is."""
    task = run_definition_pb2.TaskActionMetadata(
        id=task_definition_pb2.TaskIdentifier(
            org=row["task_org"],
            project=row["task_project"],
            domain=row["task_domain"],
            name=row["task_name"],
            version=row["task_version"],
        ),
        task_type=row["task_type"],
        short_name=row["short_name"],
    )
    return run_definition_pb2.ActionMetadata(
        parent=row["parent"],
        group=row["group_name"],
        task=task,
        action_type=run_definition_pb2.ActionType.ACTION_TYPE_TASK,
        environment_name=row["environment"],
        funtion_name=row["short_name"],
        source=row["source"],
    )


def action(row: Row) -> run_definition_pb2.Action:
    """An action, in short."""
    return run_definition_pb2.Action(id=action_id(row), metadata=action_metadata(row), status=action_status(row))


def run(row: Row) -> run_definition_pb2.Run:
    """A run, by the row of its root action."""
    return run_definition_pb2.Run(action=action(row), labels=json.loads(row["labels"]))


def error_info(code: str, message: str, kind: str) -> run_definition_pb2.ErrorInfo:
    """Why something failed."""
    return run_definition_pb2.ErrorInfo(
        message=message, code=code, kind=_KINDS.get(kind, run_definition_pb2.ErrorInfo.KIND_UNSPECIFIED)
    )


def attempt(row: Row, output_base: str, action_name: str, *, logs_available: bool) -> run_definition_pb2.ActionAttempt:
    """One attempt, with the times of its phases."""
    phase = ActionPhase(row["phase"])
    prefix = f"{output_base}{action_name}/{row['number']}"
    message = run_definition_pb2.ActionAttempt(
        phase=phase_to_pb(phase),
        attempt=row["number"],
        start_time=stamp(row["created_at"]),
        logs_available=logs_available,
        phase_transitions=_transitions(row, phase),
    )
    if row["ended_at"] is not None:
        message.end_time.CopyFrom(stamp(row["ended_at"]))
    if row["error_code"] or row["error_message"]:
        message.error_info.CopyFrom(error_info(row["error_code"], row["error_message"], row["error_kind"]))
    if phase is ActionPhase.SUCCEEDED:
        message.outputs.CopyFrom(
            common_pb2.OutputReferences(output_uri=f"{prefix}/outputs.pb", report_uri=f"{prefix}/report.html")
        )
    return message


def _transitions(row: Row, phase: ActionPhase) -> list[run_definition_pb2.PhaseTransition]:
    moments = [
        (ActionPhase.QUEUED, row["created_at"]),
        (ActionPhase.INITIALIZING, row["leased_at"]),
        (ActionPhase.RUNNING, row["started_at"]),
    ]
    if phase.is_terminal:
        moments.append((phase, row["ended_at"]))
    passed = [(step, at) for step, at in moments if at is not None]
    transitions = []
    for i, (step, at) in enumerate(passed):
        until = passed[i + 1][1] if i + 1 < len(passed) else (at if step.is_terminal else None)
        transitions.append(
            run_definition_pb2.PhaseTransition(phase=phase_to_pb(step), start_time=stamp(at), end_time=stamp(until))
        )
    return transitions


def action_details(row: Row, attempts: Sequence[Row], spec: bytes) -> run_definition_pb2.ActionDetails:
    """Everything about an action."""
    details = run_definition_pb2.ActionDetails(
        id=action_id(row),
        metadata=action_metadata(row),
        status=action_status(row),
        task=task_definition_pb2.TaskSpec.FromString(spec),
        attempts=[
            attempt(one, row["output_base"], row["name"], logs_available=one["leased_at"] is not None)
            for one in attempts
        ],
    )
    phase = ActionPhase(row["phase"])
    if phase in (ActionPhase.FAILED, ActionPhase.TIMED_OUT):
        details.error_info.CopyFrom(error_info(row["error_code"], row["error_message"], row["error_kind"]))
    elif phase is ActionPhase.ABORTED:
        details.abort_info.reason = row["abort_reason"]
    return details


def action_update(
    row: Row, identifier: identifier_pb2.ActionIdentifier, output_base: str
) -> state_service_pb2.ActionUpdate:
    """What a parent is told of a child. Official parents want to know where outputs will be at any time."""
    phase = ActionPhase(row["phase"])
    update = state_service_pb2.ActionUpdate(action_id=identifier, phase=phase_to_pb(phase))
    update.output_uri = row["output_uri"] or f"{output_base}{row['name']}/{row['attempt']}"
    if phase in (ActionPhase.FAILED, ActionPhase.TIMED_OUT):
        kinds = {"user": execution_pb2.ExecutionError.USER, "system": execution_pb2.ExecutionError.SYSTEM}
        container = execution_pb2.ContainerError
        update.error.CopyFrom(
            execution_pb2.ExecutionError(
                code=row["error_code"],
                message=row["error_message"],
                kind=kinds.get(row["error_kind"], execution_pb2.ExecutionError.UNKNOWN),
                recoverability=container.RECOVERABLE if row["error_recoverable"] else container.NON_RECOVERABLE,
            )
        )
    return update
