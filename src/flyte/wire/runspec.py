"""Run settings ⇄ the RunSpec message."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flyteidl2.common import run_pb2 as common_run_pb2
from flyteidl2.core import literals_pb2
from flyteidl2.task import run_pb2

from flyte.model.ids import RunId
from flyte.model.task import RunSettings
from flyte.wire.ids import run_to_pb


def run_spec(settings: RunSettings) -> run_pb2.RunSpec:
    """The RunSpec of a run's settings (wire_protocol §4.1)."""
    scope = run_pb2.CacheLookupScope.Value(
        "CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN"
        if settings.cache_lookup_scope == "project-domain"
        else "CACHE_LOOKUP_SCOPE_GLOBAL"
    )
    spec = run_pb2.RunSpec(
        labels=run_pb2.Labels(values=settings.labels),
        annotations=run_pb2.Annotations(values=settings.annotations),
        envs=run_pb2.Envs(
            values=[literals_pb2.KeyValuePair(key=key, value=value) for key, value in settings.env_vars.items()]
        ),
        overwrite_cache=settings.overwrite_cache,
        cache_config=run_pb2.CacheConfig(overwrite_cache=settings.overwrite_cache, cache_lookup_scope=scope),
        queue=settings.queue or "",
        max_action_concurrency=settings.max_action_concurrency or 0,
        run_base_dir=settings.run_base_dir or "",
    )
    if settings.interruptible is not None:
        spec.interruptible.value = settings.interruptible
    if settings.raw_data_path:
        spec.raw_data_storage.raw_data_prefix = settings.raw_data_path
    if settings.service_account:
        spec.security_context.run_as.k8s_service_account = settings.service_account
    return spec


def env_vars(spec: run_pb2.RunSpec) -> dict[str, str]:
    """The environment variables of a run."""
    return {pair.key: pair.value for pair in spec.envs.values}


def set_start_time(request: Any, moment: datetime) -> None:
    """Give a CreateRunRequest its start time."""
    request.run_start_time.FromDatetime(moment)


def set_spawned_by(request: Any, run: RunId) -> None:
    """Say in a CreateRunRequest which run's task starts the new one."""
    relation = request.run_spec.relation
    relation.related_to.CopyFrom(run_to_pb(run))
    relation.relation_type = common_run_pb2.RelationType.Value("RELATION_TYPE_SPAWN")
