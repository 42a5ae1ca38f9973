"""A default of every kind that needs no class."""

import datetime
from typing import Dict, List, Tuple

import flyte

env = flyte.TaskEnvironment(name="defaults")


@env.task
async def main(
    z: int = 1,
    a: float = 2.5,
    text: str = "héllo",
    yes: bool = True,
    span: datetime.timedelta = datetime.timedelta(days=1, microseconds=5),
    items: List[int] = [1, 2],
    table: Dict[str, float] = {"b": 1.0, "a": 2.0},
    loose: dict = {"k": [1, {"x": None}]},
    pair: Tuple[int, str] = (1, "a"),
) -> None:
    pass


@env.task
async def moments(
    when: datetime.datetime = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    day: datetime.date = datetime.date(2024, 2, 29),
    nothing: None = None,
    keyed: Dict[int, str] = {1: "a"},
) -> None:
    pass
