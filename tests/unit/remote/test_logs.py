"""Showing logs: what a task wrote never commands the terminal of whoever reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from flyte.errors import InvalidValue
from flyte.remote import logs

WRITTEN = ["plain\n", "\x1b[31mred\x1b[0m\x07\n", "10%\r20%\r\n", "\x1b]0;title\x07no end"]
SPELLED = ["plain", r"\x1b[31mred\x1b[0m\x07", "10%", "20%", r"\x1b]0;title\x07no end"]


@pytest.fixture(params=[True, False], ids=["over", "growing"])
def is_over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """A log of an action that is over, or of one that goes on."""

    async def lines(*_: Any, **__: Any) -> AsyncIterator[str]:
        for line in WRITTEN:
            yield line

    async def over(_: Any) -> bool:
        return bool(request.param)

    monkeypatch.setattr(logs, "lines", lines)
    monkeypatch.setattr(logs, "_is_over", over)
    return bool(request.param)


@pytest.mark.usefixtures("is_over")
async def test_control_characters_are_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    await logs.show(None)
    assert capsys.readouterr().out == "".join(f"{line}\n" for line in SPELLED)


@pytest.mark.usefixtures("is_over")
async def test_raw_is_what_the_task_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    await logs.show(None, raw=True)
    assert capsys.readouterr().out == "".join(WRITTEN)


async def test_the_last_lines_are_shown_of_a_log_that_is_over(
    is_over: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    await logs.show(None, max_lines=2)
    assert capsys.readouterr().out.splitlines() == (SPELLED[-2:] if is_over else SPELLED)


async def test_a_negative_number_of_lines_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"max_lines=….* not -1"):
        await logs.show(None, max_lines=-1)
