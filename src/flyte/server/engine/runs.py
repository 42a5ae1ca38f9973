"""Making runs and actions: one transaction each, asked for twice or once."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from flyte.errors import RpcError
from flyte.model.ids import ROOT_ACTION, ActionRef, RunId, Scope, TaskRef
from flyte.model.phase import ActionPhase
from flyte.server.clock import Clock
from flyte.server.engine.transitions import QUEUE, next_revision
from flyte.server.settings import DOMAINS
from flyte.server.store.port import Row, Store, Transaction

_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_NAME_LENGTH = 19
CACHE_HIT, CACHE_MISS, CACHE_DISABLED = 2, 1, 0


def new_run_name(request_digest: str = "") -> str:
    """`r` and nineteen letters that neither Kubernetes nor a reader of words minds.

    Args:
        request_digest: The same request, sent again, gets the same name; empty for one that cannot be known again.
    """
    number = int(request_digest, 16) if request_digest else secrets.randbits(256)
    letters = []
    for _ in range(_NAME_LENGTH):
        number, digit = divmod(number, len(_NAME_LETTERS))
        letters.append(_NAME_LETTERS[digit])
    return "r" + "".join(letters)


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """What of a specification is kept in columns."""

    ref: TaskRef
    task_type: str
    short_name: str
    environment: str
    spec: bytes
    spec_digest: str
    user_retries: int
    backoff: str
    is_cached: bool


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run that somebody asks for.

    Args:
        request_digest: Of the request and the client's name for it, in hexadecimal, so that the same request sent
            again is known from a new one of the same content; empty where the client gives its requests no names.
        output_base: Of all runs; the run's own folder is made below it.
    """

    scope: Scope
    name: str
    task: TaskFacts
    input_uri: str
    cache_key: str
    cache_scope: str
    overwrite_cache: bool
    run_spec: bytes
    labels: Mapping[str, str] = field(default_factory=dict)
    source: int = 0
    output_base: str
    start_time: int
    request_digest: str


@dataclass(frozen=True, kw_only=True)
class NewChild:
    """A child that a running task asks for."""

    action: ActionRef
    parent: str
    group: str
    task: TaskFacts
    input_uri: str
    cache_key: str


async def create_run(store: Store, clock: Clock, new: NewRun) -> RunId:
    """Make a run and queue its root.

    The same request, sent again because its answer got lost on the way, gets the run that it made.

    Raises:
        RpcError: The name is taken by another run (`already_exists`), or the project is unknown (`not_found`).
    """

    async def transaction(tx: Transaction) -> RunId:
        await require_project(tx, new.scope)
        run = RunId(new.scope, new.name)
        now = clock()
        values = {
            "org": new.scope.org,
            "project": new.scope.project,
            "domain": new.scope.domain,
            "name": run.name,
        }
        made = await tx.run(
            "runs.add",
            **values,
            run_spec=new.run_spec,
            labels=json.dumps(dict(new.labels)),
            source=new.source,
            output_base=f"{new.output_base}/{new.scope.project}/{new.scope.domain}/{run.name}/",
            start_time=new.start_time,
            request_digest=new.request_digest,
            now=now,
        )
        row = await tx.one("runs.get", project=new.scope.project, domain=new.scope.domain, name=run.name)
        assert row is not None
        if not made:
            if new.request_digest and row["request_digest"] == new.request_digest:
                return run
            raise RpcError(
                f"A run named {run.name} exists already in {new.scope.project}/{new.scope.domain}. "
                "Choose another name.",
                code="already_exists",
            )
        await tx.run("tasks.put_spec", digest=new.task.spec_digest, body=new.task.spec)
        hit = None if new.overwrite_cache else await _cached(tx, new.cache_key, new.cache_scope)
        await _add_action(tx, row, ROOT_ACTION, "", "", new.task, new.input_uri, new.cache_key, hit, now)
        tx.publish(project_topic(new.scope))
        return run

    return await store.write(transaction)


def project_topic(scope: Scope) -> str:
    """The topic of new runs of a project."""
    return f"project:{scope.project}/{scope.domain}"


async def require_project(tx: Transaction, scope: Scope) -> None:
    """Refuse a project that does not exist.

    Raises:
        RpcError: The project or domain is unknown (`not_found`).
    """
    if await tx.one("projects.get", name=scope.project) is None:
        raise RpcError(
            f"There is no project {scope.project!r}. Create it with: "
            f"flyte create project --id {scope.project} --name {scope.project!r}",
            code="not_found",
        )
    if scope.domain not in DOMAINS:
        raise RpcError(f"There is no domain {scope.domain!r}. The domains are {', '.join(DOMAINS)}.", code="not_found")


async def enqueue_child(
    store: Store,
    clock: Clock,
    child: NewChild,
    cache: tuple[str, bool],
    check: Callable[[Transaction], Awaitable[None]],
) -> bool:
    """Make a child and queue it; False when it was there already.

    Args:
        cache: The scope of cached results, and whether they are to be ignored.
        check: Raises when the caller may not, in the same transaction.

    Raises:
        RpcError: The run or the parent does not exist (`not_found`), or is over (`aborted`); or the name is that of
            another parent's child (`invalid_argument`).
    """

    async def transaction(tx: Transaction) -> bool:
        await check(tx)
        scope = child.action.run.scope
        run = await tx.one("runs.get", project=scope.project, domain=scope.domain, name=child.action.run.name)
        if run is None:
            raise RpcError(f"There is no run {child.action.run.name}.", code="not_found")
        known = {"project": scope.project, "domain": scope.domain, "run": child.action.run.name}
        same = await tx.one("actions.get", **known, name=child.action.name)
        if same is not None:
            if same["parent"] != child.parent:
                raise RpcError(
                    f"Action {child.action.name} of run {child.action.run.name} is not a child of {child.parent}.",
                    code="invalid_argument",
                )
            return False
        parent = await tx.one("actions.get", **known, name=child.parent)
        if parent is None:
            raise RpcError(f"There is no action {child.parent} in run {child.action.run.name}.", code="not_found")
        if ActionPhase(parent["phase"]).is_terminal:
            raise RpcError(
                f"Action {child.parent} of run {child.action.run.name} is {parent['phase']}: it cannot start children.",
                code="aborted",
            )
        await tx.run("tasks.put_spec", digest=child.task.spec_digest, body=child.task.spec)
        cache_scope, overwrite = cache
        hit = None if overwrite else await _cached(tx, child.cache_key, cache_scope)
        await _add_action(
            tx,
            run,
            child.action.name,
            child.parent,
            child.group,
            child.task,
            child.input_uri,
            child.cache_key,
            hit,
            clock(),
        )
        return True

    return await store.write(transaction)


async def _cached(tx: Transaction, key: str, scope: str) -> Row | None:
    return await tx.one("cache.get", scope=scope, key=key) if key else None


async def _add_action(
    tx: Transaction,
    run: Row,
    name: str,
    parent: str,
    group: str,
    task: TaskFacts,
    input_uri: str,
    cache_key: str,
    hit: Row | None,
    now: int,
) -> None:
    status = CACHE_HIT if hit is not None else CACHE_MISS if cache_key else CACHE_DISABLED
    phase = ActionPhase.SUCCEEDED if hit is not None else ActionPhase.QUEUED
    added = await tx.one(
        "actions.add",
        run_id=run["id"],
        name=name,
        parent=parent,
        kind="task",
        group_name=group,
        phase=phase.value,
        reason="its result was kept by an earlier run" if hit is not None else "it waits for a place",
        task_org=task.ref.scope.org,
        task_project=task.ref.scope.project,
        task_domain=task.ref.scope.domain,
        task_name=task.ref.name,
        task_version=task.ref.version,
        task_type=task.task_type,
        short_name=task.short_name,
        environment=task.environment,
        spec_digest=task.spec_digest,
        input_uri=input_uri,
        output_uri=hit["output_uri"] if hit is not None else "",
        cache_key=cache_key,
        cache_status=status,
        user_retries=task.user_retries,
        backoff=task.backoff,
        revision=await next_revision(tx, run["id"]),
        now=now,
        started_at=now if hit is not None else None,
        ended_at=now if hit is not None else None,
    )
    if added is not None and hit is None:
        await tx.run("attempts.add", action_id=added["id"], number=1, ready_at=now, now=now)
        tx.publish(QUEUE)
