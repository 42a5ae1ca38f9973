"""Triggers and what sets them off."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime

import pytest

import flyte
from flyte.errors import InvalidName, InvalidType, InvalidValue
from flyte.model.trigger import Trigger


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *", "0 0 * * 0", "*/5 9-17 * * MON-FRI", "0,30 0 1,15 jan-mar *", "0 0 31 12 7", "5/10 * * * *",
        "@daily", "@hourly",
    ],
)  # fmt: skip
def test_cron_expressions_of_five_fields_are_taken(expression: str) -> None:
    assert flyte.Cron(expression).expression == expression


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        (
            "0 * * *",
            "Cron('0 * * *') has 4 fields and needs 5: minute, hour, day of the month, month, day of the week.",
        ),
        ("0 0 0 * * *", "has 6 fields and needs 5"),
        ("", "has 0 fields"),
        ("60 * * * *", "'60' is not a minute. Write a number from 0 to 59, '*', a range 'a-b', a list 'a,b' or steps"),
        ("0 24 * * *", "'24' is not a hour"),
        ("0 0 0 * *", "'0' is not a day of the month. Write a number from 1 to 31"),
        ("0 0 * 13 *", "'13' is not a month"),
        ("0 0 * * 8", "'8' is not a day of the week"),
        ("0 0 * * FOO", "'FOO' is not a day of the week"),
        ("*/0 * * * *", "'*/0' is not a minute"),
        ("5-1 * * * *", "'5-1' is not a minute"),
        ("1, * * * *", "'1,' is not a minute"),
        ("*-5 * * * *", "'*-5' is not a minute"),
        ("-1 * * * *", "'-1' is not a minute"),
        ("0 0 * * *; rm", "has 6 fields"),
        (7, "A cron expression must be a str, not 7."),
    ],
)
def test_a_wrong_cron_expression_is_refused_by_field(expression: str, sentence: str) -> None:
    with pytest.raises((InvalidValue, InvalidType)) as e:
        flyte.Cron(expression)
    assert sentence in str(e.value)


def test_a_schedule_has_a_time_zone() -> None:
    cron = flyte.Cron("0 6 * * *", timezone="America/Argentina/Buenos_Aires")
    assert cron.timezone_expression == "CRON_TZ=America/Argentina/Buenos_Aires 0 6 * * *"
    with pytest.raises(InvalidValue, match=r"Cron\(timezone='\.\./x'\) must be an IANA name"):
        flyte.Cron("0 6 * * *", timezone="../x")


def test_a_fixed_rate_is_at_least_a_minute() -> None:
    assert str(flyte.FixedRate(5, start_time=datetime(2026, 1, 1))) == "FixedRate Trigger: every 5 minutes"
    with pytest.raises(InvalidValue, match=r"FixedRate\(interval_minutes=…\) must be at least 1, got 0\."):
        flyte.FixedRate(0)
    with pytest.raises(InvalidType, match="must be whole minutes, not 'x'"):
        flyte.FixedRate("x")  # type: ignore[arg-type]
    with pytest.raises(InvalidType, match=r"FixedRate\(start_time=…\) must be a datetime, not 'noon'"):
        flyte.FixedRate(5, start_time="noon")  # type: ignore[arg-type]


def test_an_artifact_is_chosen_by_name_version_and_partitions() -> None:
    chosen = flyte.OnArtifact("model", version="v1", partitions={"day": "1"}, region="eu")
    assert chosen.partitions == {"day": "1", "region": "eu"}
    assert str(chosen) == "Artifact Trigger: on new version of model@v1 [day=1, region=eu]"
    assert flyte.OnArtifact("model").partitions is None
    assert hash(flyte.OnArtifact("m", a="1")) == hash(flyte.OnArtifact("m", partitions={"a": "1"}))
    with pytest.raises(InvalidValue, match="OnArtifact needs the name of an artifact, not ''"):
        flyte.OnArtifact("")
    with pytest.raises(InvalidType, match="the partition 'region' must be text, not 1"):
        flyte.OnArtifact("m", region=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("minutely", "* * * * *"), ("hourly", "0 * * * *"), ("daily", "0 0 * * *"), ("weekly", "0 0 * * 0"),
        ("monthly", "0 0 1 * *"),
    ],
)  # fmt: skip
def test_the_common_schedules_have_names(name: str, expression: str) -> None:
    make = getattr(flyte.Trigger, name)
    trigger = make("at", inputs={"x": 1}, queue="q", overwrite_cache=True)
    assert trigger.name == name
    assert trigger.automation == flyte.Cron(expression)
    assert trigger.inputs == {"at": flyte.TriggerTime, "x": 1}
    assert (trigger.queue, trigger.overwrite_cache, trigger.auto_activate) == ("q", True, True)
    assert trigger.description.startswith("A trigger that runs")
    plain = make(name="mine", description="d")
    assert (plain.name, plain.description, plain.inputs) == ("mine", "d", None)


def test_inputs_bind_what_the_automation_has() -> None:
    daily, artifact = flyte.Cron("@daily"), flyte.OnArtifact("m")
    assert Trigger("a", daily, inputs={"t": flyte.TriggerTime}).inputs == {"t": flyte.TriggerTime}
    assert Trigger("a", artifact, inputs={"t": flyte.TriggeredArtifact, "p": flyte.TriggeredPartition("day")})
    with pytest.raises(InvalidValue, match="'a' binds TriggerTime to input 't', but its automation is no schedule"):
        Trigger("a", artifact, inputs={"t": flyte.TriggerTime})
    with pytest.raises(InvalidValue, match="'a' binds TriggeredArtifact to input 'x', but its automation is not OnA"):
        Trigger("a", daily, inputs={"x": flyte.TriggeredArtifact})
    with pytest.raises(InvalidValue, match=r"TriggeredPartition\(key='k'\) to input 'x', but"):
        Trigger("a", daily, inputs={"x": flyte.TriggeredPartition("k")})
    with pytest.raises(InvalidValue, match="needs the key of a partition, not ''"):
        flyte.TriggeredPartition("")


def test_what_stands_for_a_value_stays_itself_when_it_is_copied() -> None:
    assert pickle.loads(pickle.dumps(flyte.TriggerTime)) is flyte.TriggerTime
    assert copy.deepcopy(flyte.TriggeredArtifact) is flyte.TriggeredArtifact
    assert repr(flyte.TriggerTime) == "TriggerTime"


def test_a_trigger_is_a_value() -> None:
    one = Trigger("a", flyte.FixedRate(5), description="x" * 400, inputs={"x": [1]})
    assert one == Trigger("a", flyte.FixedRate(5), description="x" * 247 + "...(tr.)", inputs={"x": [1]})
    assert len({one, Trigger("a", flyte.FixedRate(5))}) == 2
    assert Trigger("by-hand").automation is None


@pytest.mark.parametrize(
    ("settings", "kind", "sentence"),
    [
        ({"name": ""}, InvalidName, "A trigger needs a name, not ''."),
        ({"name": "a\nb"}, InvalidName, "A trigger needs a name"),
        ({"automation": "0 0 * * *"}, InvalidType, "automation must be a flyte.Cron, FixedRate or OnArtifact, not '0"),
        ({"env_vars": {"a": 1}}, InvalidType, "Trigger 'a': env_vars['a'] must be text, not 1."),
        ({"labels": "x"}, InvalidType, "Trigger 'a': labels must be a dict of str to str, not 'x'."),
        ({"custom_context": {"a": 1}}, InvalidType, "custom_context['a'] must be text"),
        (
            {"max_action_concurrency": 1},
            InvalidValue,
            "must be 0 (the platform's limit) or at least 2, got 1: a parent",
        ),
        ({"max_action_concurrency": -1}, InvalidValue, "got -1"),
    ],
)
def test_wrong_settings_of_a_trigger_are_named(
    settings: dict[str, object], kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind) as e:
        Trigger(**{"name": "a", **settings})  # type: ignore[arg-type]
    assert sentence in str(e.value)
