"""The nearest of known names, in one way for commands and for inputs; and what is said of an unforeseen error."""

from __future__ import annotations

import click
import pytest

from flyte.cli import main as main_module
from flyte.cli.groups import LazyGroup, nearest
from flyte.errors import InvalidValue


def test_the_nearest_of_known_names_is_asked_after() -> None:
    assert nearest("--time", ["--name", "--times"]) == " Did you mean --times?"
    assert nearest("stats", ["start", "stop"]) == " Did you mean start?"
    assert nearest("zzz", ["start", "stop"]) == ""
    assert nearest("x", []) == ""


def test_a_command_of_a_group_is_found_as_near_as_an_input_is() -> None:
    group = LazyGroup(commands={"whoami": click.Command("whoami")}, name="flyte")
    with pytest.raises(click.UsageError, match=r"Did you mean whoami\? There are: whoami\."):
        group.resolve_command(click.Context(group, info_name="flyte"), ["who"])


@pytest.mark.parametrize("error", [InvalidValue("The sentence."), RuntimeError("unforeseen")])
def test_the_traceback_of_a_command_that_failed_is_shown_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def failing(**_options: object) -> None:
        raise error

    monkeypatch.setattr(main_module.flyte, "main", failing)
    for asked in ("0", "1"):
        monkeypatch.setenv("FLYTE_TRACEBACK", asked)
        with pytest.raises(SystemExit) as left:
            main_module.main(["get"])
        assert left.value.code == 1
        shown = capsys.readouterr().err
        assert str(error) in shown
        assert ("Traceback (most recent call last)" in shown) is (asked == "1")
