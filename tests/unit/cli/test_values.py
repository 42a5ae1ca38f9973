"""Values are shown from the wire: pickles stay closed, and nothing a terminal obeys comes through."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
import pickle
from dataclasses import dataclass
from typing import Any

import msgpack
import pytest
from flyteidl2.core import literals_pb2

from flyte.cli.exits import safe_text
from flyte.cli.printing import jsonable, print_json, print_object, print_rows
from flyte.cli.state import CliState
from flyte.cli.values import is_opaque, plain
from flyte.remote.progress import log_lines
from flyte.types.engine import engine
from flyte.types.transformer import Conversion


@dataclass
class Point:
    x: int
    name: str


class _Bomb:
    def __init__(self, canary: pathlib.Path) -> None:
        self._canary = canary

    def __reduce__(self) -> Any:
        return pathlib.Path.touch, (self._canary,)


def encoded(value: Any, t: Any) -> Any:
    return engine.encode(value, t, Conversion())


@pytest.mark.parametrize(
    ("value", "t", "shown"),
    [
        (3, int, 3),
        (True, bool, True),
        ("a", str, "a"),
        (None, type(None), None),
        (3, int | None, 3),
        (None, int | None, None),
        ([1, 2], list[int], [1, 2]),
        ({"a": 1}, dict[str, int], {"a": 1}),
        (Point(1, "p"), Point, {"x": 1, "name": "p"}),
        (dt.timedelta(seconds=3), dt.timedelta, dt.timedelta(seconds=3)),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    ],
)
def test_values_are_plain_data(value: Any, t: Any, shown: Any) -> None:
    literal = encoded(value, t)
    assert plain(literal) == shown
    assert not is_opaque(literal)


def test_a_pickle_is_named_and_not_opened(tmp_path: pathlib.Path) -> None:
    canary = tmp_path / "canary"
    data = pickle.dumps(_Bomb(canary))
    literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=data)))
    listed = literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[literal]))
    assert plain(listed) == [f"<pickled value, {len(data)} bytes>"]
    assert is_opaque(listed)
    assert not canary.exists()


@pytest.mark.parametrize("data", [b"\xc1", b"\x81\x80\x01", b"", b"\xdc\xff\xff", b"\x81" * 4000])
def test_broken_data_is_said_to_be_unreadable(data: bytes) -> None:
    binary = literals_pb2.Binary(value=data, tag="msgpack")
    assert "unreadable" in plain(literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=binary)))


def test_json_is_json_whatever_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    odd = {"nan": float("nan"), "inf": [float("inf")], "bytes": b"\xff", "esc": "\x1b[31m", "set": {1}, "o": object()}
    print_json(odd)
    text = capsys.readouterr().out
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert data["nan"] == "nan" and data["inf"] == ["inf"] and data["bytes"] == "/w=="
    assert "\x1b" not in text


def test_structures_become_json() -> None:
    assert jsonable(Point(1, "p")) == {"x": 1, "name": "p"}
    assert jsonable((dt.date(2026, 1, 31), dt.timedelta(minutes=1))) == ["2026-01-31", 60.0]


def test_control_characters_are_spelled_out() -> None:
    assert safe_text("a\x1b]52;c;aGk=\x07b\nc\t\u202ed\x9b") == "a\\x1b]52;c;aGk=\\x07b\nc\t\\u202ed\\x9b"


@pytest.mark.parametrize("output", ["table", "table-simple", "json"])
def test_nothing_that_a_terminal_obeys_comes_out_of_a_list(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "x\x1b[2J\x1b]8;;http://evil\x07\u202e\r\x9b31m"
    state = CliState(output=output)
    print_rows([{"name": hostile, "labels": {hostile: hostile}, "more": [hostile]}], state, empty="")
    print_object({"name": hostile, "error": {"message": hostile + "\n" + hostile}}, state)
    out = capsys.readouterr().out
    assert "evil" in out
    assert not [c for c in out if c not in "\n\t" and not c.isprintable()]


def test_an_empty_list_says_so_on_stderr_only(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([], CliState(), empty="There are no runs.")
    assert capsys.readouterr() == ("", "There are no runs.\n")
    print_rows([], CliState(output="json"), empty="There are no runs.")
    assert capsys.readouterr() == ("[]\n", "")


def test_a_progress_bar_in_a_log_becomes_lines() -> None:
    assert log_lines("10%\r20%\r\n") == ["10%", "20%"]
    assert log_lines("plain\n") == ["plain"]
    assert log_lines("\x1b[31mred\x1b[0m\té\n") == ["\\x1b[31mred\\x1b[0m\té"]
    assert log_lines("\n") == [""]


def test_msgpack_with_odd_keys_is_shown() -> None:
    binary = literals_pb2.Binary(value=msgpack.packb({1: "a"}), tag="msgpack")
    assert plain(literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=binary))) == {1: "a"}
