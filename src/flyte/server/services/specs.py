"""What the control plane reads out of a TaskSpec."""

from __future__ import annotations

import hashlib
from typing import Any

from flyteidl2.task import task_definition_pb2

from flyte.model.ids import Scope, TaskRef
from flyte.model.retry import Backoff
from flyte.server.engine.runs import TaskFacts
from flyte.server.engine.transitions import backoff_to_text
from flyte.server.services.caller import invalid, not_found
from flyte.server.services.times import span_of
from flyte.server.store.port import Store

MOST_RETRIES = 1_000_000


def body_digest(message: Any) -> str:
    """The digest under which a message is kept."""
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()


def task_facts(spec: task_definition_pb2.TaskSpec, scope: Scope, deployed: TaskRef | None = None) -> TaskFacts:
    """The facts that are kept in columns.

    Args:
        scope: Of the run; a specification that names no project is of this one.
        deployed: What the task was deployed as, which counts for more than what its specification says.

    Raises:
        RpcError: The specification cannot be executed (`invalid_argument`).
        InvalidName: A name breaks the rules.
    """
    template = spec.task_template
    identifier = template.id
    if not template.HasField("container"):
        raise invalid(f"Task {identifier.name} has no container, and this backend runs nothing else yet.")
    metadata = template.metadata
    retries = metadata.retries
    if retries.retries > MOST_RETRIES:
        raise invalid(
            f"Task {identifier.name} asks for {retries.retries:,} retries; at most {MOST_RETRIES:,} are possible."
        )
    where = Scope(identifier.project or scope.project, identifier.domain or scope.domain, identifier.org or scope.org)
    return TaskFacts(
        ref=deployed or TaskRef(where, identifier.name, identifier.version),
        task_type=template.type,
        short_name=spec.short_name or identifier.name.rpartition(".")[2],
        environment=spec.environment.name,
        spec=spec.SerializeToString(deterministic=True),
        spec_digest=body_digest(spec),
        user_retries=retries.retries,
        backoff=backoff_to_text(_backoff(spec)),
        is_cached=metadata.discoverable,
    )


def _backoff(spec: task_definition_pb2.TaskSpec) -> Backoff | None:
    retries = spec.task_template.metadata.retries
    if not retries.HasField("backoff"):
        return None
    base = span_of(retries.backoff.base, "back-off of the task")
    cap = span_of(retries.backoff.cap, "longest back-off of the task") if retries.backoff.HasField("cap") else None
    return Backoff(base, retries.backoff.factor or 1.0, cap)


async def deployed_spec(store: Store, task: TaskRef) -> task_definition_pb2.TaskSpec:
    """The specification of a deployed task.

    Raises:
        RpcError: It is not deployed in this version (`not_found`).
    """
    row = await store.read(
        lambda tx: tx.one(
            "tasks.get",
            project=task.scope.project,
            domain=task.scope.domain,
            name=task.name,
            version=task.version,
        )
    )
    if row is None:
        raise not_found(f"Task {task.name} is not deployed in version {task.version}.")
    return task_definition_pb2.TaskSpec.FromString(row["spec"])
