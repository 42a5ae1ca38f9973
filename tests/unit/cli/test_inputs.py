"""Texts on the command line become values of a task's inputs."""

from __future__ import annotations

import datetime as dt
import enum
import typing
from dataclasses import dataclass

import pytest
import rich_click as click

from flyte.cli.inputs import InputError, input_options, value_of, values_of
from flyte.cli.options import SETTINGS
from flyte.model.interface import NO_DEFAULT as NO
from flyte.model.interface import NativeInterface


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


@dataclass
class Point:
    x: int
    y: int = 0


class Named(typing.NamedTuple):
    day: dt.date
    colour: Colour = Colour.GREEN


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "Named needs day"),
        ('{"colour": "RED"}', "Named needs day"),
        ('["2026-01-31", "RED", 3]', "has 3 parts, and Named has 2"),
        ('{"day": "2026-01-31", "hue": 1}', "Named has no field hue"),
        ('["2026-01-31", "MAUVE"]', "one of RED, GREEN"),
    ],
)
def test_a_text_that_is_no_named_tuple_says_why(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        value_of(text, Named)


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("3", int, 3),
        ("-3", int, -3),
        ("1e3", float, 1000.0),
        ("3", str, "3"),
        ("yes", bool, True),
        ("OFF", bool, False),
        ("none", int | None, None),
        ("3", int | None, 3),
        ("three", int | str, "three"),
        ("3", int | str, 3),
        ("RED", Colour, Colour.RED),
        ("green", Colour, Colour.GREEN),
        ("b", typing.Literal["a", "b"], "b"),
        ("2", typing.Literal[1, 2], 2),
        ("2026-01-31", dt.date, dt.date(2026, 1, 31)),
        ("2026-01-31T10:00:00Z", dt.datetime, dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC)),
        ("1 minute", dt.timedelta, dt.timedelta(minutes=1)),
        ("2 hours", dt.timedelta, dt.timedelta(hours=2)),
        ("1:24", dt.timedelta, dt.timedelta(minutes=1, seconds=24)),
        ("PT1M30S", dt.timedelta, dt.timedelta(seconds=90)),
        ("90", dt.timedelta, dt.timedelta(seconds=90)),
        ("[1, 2]", list[int], [1, 2]),
        ('{"a": [1]}', dict[str, list[int]], {"a": [1]}),
        ('["2026-01-31"]', list[dt.date], [dt.date(2026, 1, 31)]),
        ("[1, 2, 1]", set[int], {1, 2}),
        ('["2026-01-31"]', frozenset[dt.date], frozenset({dt.date(2026, 1, 31)})),
        ('["2026-01-31", "RED"]', Named, Named(dt.date(2026, 1, 31), Colour.RED)),
        ('{"day": "2026-01-31"}', Named, Named(dt.date(2026, 1, 31))),
    ],
)
def test_a_text_means_a_value(text: str, annotation: typing.Any, value: typing.Any) -> None:
    assert value_of(text, annotation) == value


def test_a_dataclass_comes_from_json() -> None:
    assert value_of('{"x": 3}', Point) == Point(3, 0)


def test_words_for_times_count_from_now() -> None:
    moment = value_of("now - 1 day", dt.datetime)
    assert abs(dt.datetime.now(dt.UTC) - dt.timedelta(days=1) - moment) < dt.timedelta(minutes=1)
    assert value_of("today", dt.datetime).time() == dt.time(0, 0)


@pytest.mark.parametrize(
    ("text", "annotation", "words"),
    [
        ("x", int, "a whole number"),
        ("1.5", int, "a whole number"),
        ("x", float, "a number"),
        ("maybe", bool, "true or false"),
        ("BLUE", Colour, "one of RED, GREEN"),
        ("c", typing.Literal["a", "b"], "one of a, b"),
        ("soon", dt.datetime, "ISO date and time"),
        ("31.1.2026", dt.date, "ISO date"),
        ("a while", dt.timedelta, "a duration"),
        ("[1", list[int], "must be JSON"),
        ('["a"]', list[int], "a whole number"),
    ],
)
def test_a_text_that_means_nothing_says_what_would(text: str, annotation: typing.Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        value_of(text, annotation)


def test_a_yaml_file_is_read_as_plain_data(tmp_path: typing.Any) -> None:
    file = tmp_path / "point.yaml"
    file.write_text("x: 3\ny: 4\n")
    assert value_of(str(file), Point) == Point(3, 4)


def test_a_yaml_file_cannot_build_objects(tmp_path: typing.Any) -> None:
    canary = tmp_path / "canary"
    file = tmp_path / "evil.yaml"
    file.write_text(f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{canary}']]\n")
    with pytest.raises(ValueError, match="neither JSON nor YAML"):
        value_of(str(file), dict[str, int])
    assert not canary.exists()


def parsed(interface: NativeInterface, *args: str) -> dict[str, typing.Any]:
    """What a command with an interface's options makes of its arguments."""
    found: dict[str, typing.Any] = {}

    @click.command(context_settings=SETTINGS)
    def command(**given: typing.Any) -> None:
        found.update(values_of(interface, given))

    command.params = [*input_options(interface)]
    command.main(args=list(args), standalone_mode=False)
    return found


FLAGS = NativeInterface.from_types({"debug": (bool, False), "input_path": (str, "a"), "x": (int, 0)}, {})


@pytest.mark.parametrize(
    ("args", "values"),
    [
        (["--debug"], {"debug": True}),
        (["--debug", "--x", "1"], {"debug": True, "x": 1}),
        (["--x", "1", "--debug"], {"debug": True, "x": 1}),
        (["--debug", "true", "--x", "1"], {"debug": True, "x": 1}),
        (["--debug", "false"], {"debug": False}),
        (["--debug=no"], {"debug": False}),
        (["--no-debug"], {"debug": False}),
        (["--no_debug", "--x", "-1"], {"debug": False, "x": -1}),
        (["--input_path", "b"], {"input_path": "b"}),
        (["--input-path", "b"], {"input_path": "b"}),
        (["--input_path=--b"], {"input_path": "--b"}),
        ([], {}),
    ],
)
def test_flags_dashes_and_underscores(args: list[str], values: dict[str, typing.Any]) -> None:
    assert parsed(FLAGS, *args) == values


def test_an_optional_bool_may_stand_alone_too() -> None:
    interface = NativeInterface.from_types({"debug": (bool | None, None), "x": (int, 0)}, {})
    assert parsed(interface, "--debug", "--x", "1") == {"debug": True, "x": 1}
    assert parsed(interface, "--debug", "none") == {"debug": None}


def test_yes_and_no_at_once_are_refused() -> None:
    with pytest.raises(InputError, match="--debug and --no-debug exclude each other"):
        parsed(FLAGS, "--debug", "--no-debug")


def test_an_input_that_is_called_like_a_negation_is_an_input() -> None:
    interface = NativeInterface.from_types({"cache": (bool, True), "no_cache": (int, 0)}, {})
    assert parsed(interface, "--no-cache", "3", "--cache", "false") == {"no_cache": 3, "cache": False}


def test_an_input_called_help_is_an_input() -> None:
    interface = NativeInterface.from_types({"help": (str, "")}, {})
    assert parsed(interface, "--help", "me") == {"help": "me"}


def test_all_missing_inputs_are_named_with_their_types() -> None:
    interface = NativeInterface.from_types({"first_one": (int, NO), "second": (list[str], NO), "third": (int, 3)}, {})
    with pytest.raises(InputError, match=r"--first-one \(int\), --second \(list\[str\]\)\.$"):
        parsed(interface)


def test_a_wrong_input_is_named_with_its_text() -> None:
    with pytest.raises(InputError, match=r"Input --x 'one' must be a whole number\."):
        parsed(FLAGS, "--x", "one")


def test_a_json_dict_goes_over_the_default() -> None:
    interface = NativeInterface.from_types({"m": (dict[str, int], {"a": 1})}, {})
    assert parsed(interface, "--m", '{"z": 9}') == {"m": {"a": 1, "z": 9}}


@pytest.mark.parametrize(
    ("text", "annotation", "words"),
    [
        ("1e400 s", dt.timedelta, "that a timedelta can hold"),
        ("nan s", dt.timedelta, "must be a duration"),
        ("999999999999 days", dt.timedelta, "that a timedelta can hold"),
        ("99999999999999:00:00", dt.timedelta, "that a timedelta can hold"),
        ("P99999999999W", dt.timedelta, "that a timedelta can hold"),
        ("PT1.2.3S", dt.timedelta, "must be an ISO 8601 duration"),
        ("1:2:3:4", dt.timedelta, "must be a duration"),
        ("1:²", dt.timedelta, "must be a duration"),
        ("now - 999999 days", dt.datetime, "between the years 1 and 9999"),
        ("today + 99999999 weeks", dt.datetime, "between the years 1 and 9999"),
    ],
)
def test_times_beyond_what_can_be_are_told(text: str, annotation: typing.Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        value_of(text, annotation)


def test_json_that_is_nested_too_deeply_is_told() -> None:
    interface = NativeInterface(inputs={"x": (list[list[int]], NO)}, outputs={})
    with pytest.raises(InputError, match=r"Input --x .* is nested too deeply"):
        values_of(interface, {"x": "[" * 100_000})
