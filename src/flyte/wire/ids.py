"""Identifiers ⇄ protobuf."""

from __future__ import annotations

from flyteidl2.common import identifier_pb2
from flyteidl2.task import task_definition_pb2

from flyte.model.ids import ActionRef, RunId, Scope, TaskRef


def project_to_pb(scope: Scope) -> identifier_pb2.ProjectIdentifier:
    """A project in a domain."""
    return identifier_pb2.ProjectIdentifier(organization=scope.org, domain=scope.domain, name=scope.project)


def scope_from_pb(pb: identifier_pb2.ProjectIdentifier) -> Scope:
    """A project in a domain."""
    return Scope(project=pb.name, domain=pb.domain, org=pb.organization)


def run_to_pb(run: RunId) -> identifier_pb2.RunIdentifier:
    """A run."""
    return identifier_pb2.RunIdentifier(
        org=run.scope.org, project=run.scope.project, domain=run.scope.domain, name=run.name
    )


def run_from_pb(pb: identifier_pb2.RunIdentifier) -> RunId:
    """A run."""
    return RunId(Scope(project=pb.project, domain=pb.domain, org=pb.org), pb.name)


def action_to_pb(action: ActionRef) -> identifier_pb2.ActionIdentifier:
    """An action."""
    return identifier_pb2.ActionIdentifier(run=run_to_pb(action.run), name=action.name)


def action_from_pb(pb: identifier_pb2.ActionIdentifier) -> ActionRef:
    """An action."""
    return ActionRef(run_from_pb(pb.run), pb.name)


def task_to_pb(task: TaskRef) -> task_definition_pb2.TaskIdentifier:
    """A deployed task."""
    return task_definition_pb2.TaskIdentifier(
        org=task.scope.org,
        project=task.scope.project,
        domain=task.scope.domain,
        name=task.name,
        version=task.version,
    )


def task_from_pb(pb: task_definition_pb2.TaskIdentifier) -> TaskRef:
    """A deployed task."""
    return TaskRef(Scope(project=pb.project, domain=pb.domain, org=pb.org), pb.name, pb.version)
