"""`flyte.run` and `with_runcontext`: what they accept, where they run, and what they refuse."""

from __future__ import annotations

import datetime as dt
import inspect
import logging
import pathlib
from typing import Any

import pytest

import flyte
import flyte.errors
import flyte.remote
from flyte.launch.running import RunOptions, _deployed

env = flyte.TaskEnvironment(name="launched")


@env.task
def double(x: int) -> int:
    return 2 * x


@pytest.fixture(autouse=True)
def home(flyte_home: pathlib.Path) -> pathlib.Path:
    """`~/.flyte` of the test."""
    return flyte_home


OFFERED: dict[str, Any] = {
    "name": "n",
    "service_account": "robot",
    "version": "v1",
    "copy_style": "all",
    "dry_run": False,
    "copy_bundle_to": pathlib.Path("bundle"),
    "interactive_mode": False,
    "raw_data_path": "data",
    "run_base_dir": "base",
    "run_start_time": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    "overwrite_cache": True,
    "project": "p",
    "domain": "d",
    "env_vars": {"A": "1"},
    "labels": {"l": "1"},
    "annotations": {"a": "1"},
    "interruptible": True,
    "log_level": logging.ERROR,
    "log_format": "json",
    "user_log_level": logging.ERROR,
    "reset_root_logger": False,
    "disable_run_cache": True,
    "queue": "q",
    "max_action_concurrency": 2,
    "notifications": None,
    "custom_context": {"c": "1"},
    "cache_lookup_scope": "project-domain",
    "preserve_original_types": True,
    "debug": True,
    "tracked": False,
    "tracked_strict": False,
}


def test_every_parameter_of_the_surface_is_accepted_by_name() -> None:
    parameters = dict(inspect.signature(flyte.with_runcontext).parameters)
    parameters.pop("_tracker")
    assert parameters.pop("mode").kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert set(parameters) == set(OFFERED)
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())
    assert flyte.with_runcontext("local", **OFFERED).run(double, 2).outputs()[0] == 4


def test_the_parameters_that_travel_are_in_the_run_spec() -> None:
    settings = flyte.with_runcontext("remote", **OFFERED).options.run_settings("src")
    assert (settings.name, settings.queue, settings.interruptible, settings.overwrite_cache) == ("n", "q", True, True)
    assert settings.env_vars == {
        "LOG_LEVEL": "40", "LOG_FORMAT": "json", "USER_LOG_LEVEL": "40", "_F_SYS_PATH": "src", "A": "1",
    }  # fmt: skip
    assert (settings.labels, settings.annotations, settings.custom_context) == ({"l": "1"}, {"a": "1"}, {"c": "1"})
    assert (settings.max_action_concurrency, settings.cache_lookup_scope) == (2, "project-domain")
    assert (settings.raw_data_path, settings.run_base_dir, settings.service_account) == ("data", "base", "robot")
    assert "_F_SYS_PATH" not in RunOptions().run_settings(None).env_vars


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"mode": "cloud"}, flyte.errors.InvalidValue, "mode='cloud' is not known"),
        ({"mode": "hybrid"}, flyte.errors.FeatureNotAvailable, "hybrid"),
        ({"max_action_concurrency": 1}, flyte.errors.InvalidValue, "at least 2, got 1"),
        ({"max_action_concurrency": -2}, flyte.errors.InvalidValue, "at least 2, got -2"),
        ({"env_vars": {"A": 1}}, flyte.errors.InvalidType, r"env_vars\['A'\] must be text, not 1"),
        ({"labels": {1: "a"}}, flyte.errors.InvalidType, "labels"),
        ({"annotations": {"a": None}}, flyte.errors.InvalidType, "annotations"),
        ({"custom_context": {"a": 1}}, flyte.errors.InvalidType, "custom_context"),
        ({"cache_lookup_scope": "here"}, flyte.errors.InvalidValue, "cache_lookup_scope"),
        ({"tracked": True}, flyte.errors.FeatureNotAvailable, "tracked"),
        ({"notifications": object()}, flyte.errors.FeatureNotAvailable, "notifications"),
        ({"colour": "red"}, TypeError, "colour"),
        ({"name": 5}, flyte.errors.InvalidType, r"name=….* must be a str, not 5"),
        ({"version": 7}, flyte.errors.InvalidType, r"version=….* must be a str"),
        ({"env_vars": ["A"]}, flyte.errors.InvalidType, r"env_vars=….* must be a dict of str to str"),
        ({"labels": "a"}, flyte.errors.InvalidType, r"labels=….* must be a dict"),
        ({"custom_context": "a"}, flyte.errors.InvalidType, r"custom_context=….* must be a dict"),
        ({"env_vars": {"A=B": "1"}}, flyte.errors.InvalidValue, "'A=B' cannot be an environment variable"),
        ({"env_vars": {"": "1"}}, flyte.errors.InvalidValue, "'' cannot be an environment variable"),
        ({"env_vars": {"A": "\0"}}, flyte.errors.InvalidValue, "'A' cannot be an environment variable"),
        ({"run_start_time": "yesterday"}, flyte.errors.InvalidType, r"run_start_time=….* must be a datetime"),
        ({"max_action_concurrency": "3"}, flyte.errors.InvalidType, r"max_action_concurrency=….* must be a number"),
        ({"max_action_concurrency": True}, flyte.errors.InvalidType, r"max_action_concurrency=….* must be a number"),
        ({"raw_data_path": 5}, flyte.errors.InvalidType, r"raw_data_path=….* must be a str"),
        ({"copy_bundle_to": 5}, flyte.errors.InvalidType, r"copy_bundle_to=….* must be a path"),
        ({"log_level": "LOUD"}, flyte.errors.InvalidValue, r"log_level='LOUD'\) is no level"),
        ({"user_log_level": 1.5}, flyte.errors.InvalidType, r"user_log_level=….* must be a level of logging"),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_a_sentence(
    options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        flyte.with_runcontext(**options)


def test_no_bound_on_concurrency_is_zero() -> None:
    assert flyte.with_runcontext(max_action_concurrency=0).options.max_action_concurrency == 0


def test_a_start_without_a_time_zone_is_utc() -> None:
    options = flyte.with_runcontext(run_start_time=dt.datetime(2026, 1, 1)).options
    assert options.run_start_time == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("parameter", ["interactive_mode", "preserve_original_types", "reset_root_logger", "debug"])
def test_a_parameter_without_effect_says_so(parameter: str, caplog: pytest.LogCaptureFixture) -> None:
    given: dict[str, Any] = {parameter: True}
    flyte.with_runcontext(**given)
    assert f"with_runcontext({parameter}=…) has no effect in this version." in caplog.text


def test_the_bundle_is_left_in_a_folder_that_is_named_as_text(tmp_path: pathlib.Path) -> None:
    flyte.init(root_dir=pathlib.Path(__file__).parent)
    flyte.with_runcontext(dry_run=True, copy_bundle_to=str(tmp_path / "bundle")).run(double, 1)  # type: ignore[arg-type]
    assert [path.suffix for path in (tmp_path / "bundle").iterdir()] == [".gz"]


@pytest.mark.parametrize(
    ("name", "version", "asked"),
    [
        ("launched.double", None, ("", "latest")),
        ("launched.double", "v1", ("v1", None)),
        ("launched.double:v2", None, ("v2", None)),
        ("launched.double:v2", "v1", ("v2", None)),
    ],
)
def test_a_deployed_task_that_is_named_runs_in_the_version_that_was_asked_for(
    name: str, version: str | None, asked: tuple[str, str | None]
) -> None:
    handle = _deployed(name, RunOptions(version=version))
    assert (handle.name, handle.version or "", handle.auto_version) == ("launched.double", *asked)


async def test_a_process_can_be_initialised_without_blocking_its_loop() -> None:
    await flyte.init.aio(project="p", domain="d")
    assert (flyte.current_project(), flyte.current_domain()) == ("p", "d")
    with pytest.raises(flyte.errors.InitializationError):
        await flyte.init_from_config.aio("missing.yaml")


def test_a_program_without_configuration_runs_locally() -> None:
    run = flyte.run(double, x=4)
    assert str(run) == "8"
    assert "mode='local'" in repr(run)


def test_a_session_without_a_backend_runs_locally_in_its_scope() -> None:
    flyte.init(project="p", domain="d")
    run = flyte.run(double, x=4)
    assert (run.action.project, run.action.domain) == ("p", "d")


def test_remote_mode_without_a_backend_says_what_to_call() -> None:
    with pytest.raises(flyte.errors.InitializationError, match="init_from_config"):
        flyte.with_runcontext(mode="remote").run(double, x=1)


async def test_remote_mode_without_a_backend_says_so_when_awaited_too() -> None:
    with pytest.raises(flyte.errors.InitializationError, match="init_from_config"):
        await flyte.with_runcontext(mode="remote").run.aio(double, x=1)


def plain(x: int) -> int:
    return x


@pytest.mark.parametrize(
    ("first", "error", "says"),
    [
        (plain, flyte.errors.InvalidType, r"Only tasks can be run.*function.*@env\.task"),
        (3, flyte.errors.InvalidType, "Only tasks can be run, not int"),
        (None, flyte.errors.InvalidType, "Only tasks can be run"),
        (env, flyte.errors.InvalidType, "Only tasks can be run, not TaskEnvironment"),
        ("launched.double", flyte.errors.InvalidType, "'launched.double' names a deployed task.*init_from_config"),
    ],
)
@pytest.mark.parametrize("mode", [None, "local"])
def test_what_is_no_task_is_refused_in_a_sentence(
    first: Any, error: type[Exception], says: str, mode: str | None
) -> None:
    with pytest.raises(error, match=says):
        flyte.with_runcontext(mode=mode).run(first, x=1)


def test_the_handle_of_a_deployed_task_is_refused_in_local_mode() -> None:
    handle = flyte.remote.Task.get("launched.double", version="v1", project="p", domain="d")
    with pytest.raises(flyte.errors.RemoteTaskUsageError, match="runs on a backend, not in local mode"):
        flyte.with_runcontext(mode="local").run(handle, x=1)


def test_a_call_outside_a_task_is_a_plain_call() -> None:
    assert double("ab") == "abab"  # type: ignore[arg-type]


async def test_runs_can_be_awaited_together() -> None:
    import asyncio

    runs = await asyncio.gather(*[flyte.run.aio(double, x) for x in range(5)])
    assert [run.outputs()[0] for run in runs] == [0, 2, 4, 6, 8]
    assert len({run.name for run in runs}) == 5
