"""What a running task knows about itself."""

from __future__ import annotations

import pathlib

import pytest

from flyte.errors import InvalidValue
from flyte.model.context import (
    NULL_TASK_CONTEXT,
    ActionID,
    PathRewrite,
    RawDataPath,
    TaskContext,
    is_clustered_worker_env,
)
from flyte.model.naming import child_name


def context(**more: object) -> TaskContext:
    settings: dict[str, object] = {
        "action": ActionID(name="a0", run_name="r", project="p", domain="d"),
        "version": "v",
        "raw_data_path": RawDataPath(path="/raw"),
        "output_path": "/out",
        "run_base_dir": "/base",
    }
    return TaskContext(**{**settings, **more})  # type: ignore[arg-type]


def test_outside_a_task_every_field_is_none() -> None:
    assert not NULL_TASK_CONTEXT
    assert NULL_TASK_CONTEXT.action is None
    assert NULL_TASK_CONTEXT["x"] is None
    assert NULL_TASK_CONTEXT.is_in_cluster() is False
    assert repr(NULL_TASK_CONTEXT) == "NullTaskContext()"
    assert not hasattr(NULL_TASK_CONTEXT, "__iter__")


def test_data_is_merged_and_the_rest_replaced() -> None:
    first = context(data={"a": 1})
    second = first.replace(data={"b": 2}, version="w")
    assert (second["a"], second["b"], second["c"], second.version) == (1, 2, None, "w")
    assert first["b"] is None
    assert first


def test_the_mode_says_whether_a_backend_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_ATTEMPT_NUMBER", "3")
    assert context(mode="remote").is_in_cluster()
    assert context(mode="remote").attempt_number == 3
    assert not context(mode="local", attempt=1).is_in_cluster()
    assert context(mode="local", attempt=1).attempt_number == 1
    monkeypatch.setenv("FLYTE_ATTEMPT_NUMBER", "x")
    assert context().attempt_number == 0


def test_distributed_workers_know_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "RANK": "rank", "LOCAL_RANK": "local_rank", "WORLD_SIZE": "world_size", "LOCAL_WORLD_SIZE": "local_world_size",
        "NODE_RANK": "node_rank", "NNODES": "nnodes", "MASTER_PORT": "master_port",
        "TORCHELASTIC_RESTART_COUNT": "restart_attempt",
    }  # fmt: skip
    for variable in [*names, "GROUP_RANK", "MASTER_ADDR"]:
        monkeypatch.delenv(variable, raising=False)
    here = context()
    assert [getattr(here, name) for name in names.values()] == [None] * len(names)
    for number, variable in enumerate(names):
        monkeypatch.setenv(variable, str(number))
    assert [getattr(here, name) for name in names.values()] == list(range(len(names)))
    monkeypatch.setenv("GROUP_RANK", "9")
    monkeypatch.setenv("MASTER_ADDR", "host")
    assert (here.node_rank, here.master_addr) == (9, "host")
    assert is_clustered_worker_env({"FLYTE_CLUSTERED_WORKER": "1"})
    assert not is_clustered_worker_env({})


def test_children_are_named_within_their_run() -> None:
    root = ActionID(name="a0", run_name="r", project="p", domain="d")
    child = root.new_sub_action_from(1, "task", "inputs", "g")
    assert child.name == child_name("a0", "inputs", "task", 1, "g")
    assert (child.run_name, child.project) == ("r", "p")
    assert root.new_sub_action("x").name == "x"
    assert root.new_sub_action().name != root.new_sub_action().name
    assert root.unique_id_str("salt") == "p-d-r-a0-salt"
    assert ActionID.create_random().run_name


def test_blobs_get_addresses_of_their_own(tmp_path: pathlib.Path) -> None:
    raw = RawDataPath.from_local_folder(tmp_path)
    assert raw.path == str(tmp_path)
    first, second = raw.get_random_remote_path("x.csv"), raw.get_random_remote_path("x.csv")
    assert first != second
    assert first.startswith(f"{tmp_path}/")
    assert first.endswith("/x.csv")
    assert not raw.get_random_remote_path().endswith("/")


def test_a_path_rewrite_has_two_sides() -> None:
    assert PathRewrite.from_str("s3://a->/mnt/a") == PathRewrite("s3://a", "/mnt/a")
    with pytest.raises(InvalidValue, match=r"A path rewrite is written old->new, not 's3://a'\."):
        PathRewrite.from_str("s3://a")
    with pytest.raises(InvalidValue, match="needs both prefixes"):
        PathRewrite.from_str("->x")
