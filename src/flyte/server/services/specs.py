"""What the control plane reads out of a TaskSpec."""

from __future__ import annotations

from datetime import timedelta

from flyteidl2.task import task_definition_pb2

from flyte.model.ids import Scope, TaskRef
from flyte.model.retry import Backoff
from flyte.server.engine.runs import TaskFacts
from flyte.server.engine.transitions import backoff_to_text
from flyte.server.services.common import body_digest, invalid

MOST_RETRIES = 1_000_000


def task_facts(spec: task_definition_pb2.TaskSpec, scope: Scope) -> TaskFacts:
    """The facts that are kept in columns.

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
        ref=TaskRef(where, identifier.name, identifier.version),
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
    base: timedelta = retries.backoff.base.ToTimedelta()
    cap: timedelta | None = retries.backoff.cap.ToTimedelta() if retries.backoff.HasField("cap") else None
    return Backoff(base, retries.backoff.factor or 1.0, cap)
