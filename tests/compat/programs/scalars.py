"""One input of every scalar type."""

import datetime

import flyte

env = flyte.TaskEnvironment(name="scalars")


@env.task
async def main(
    a: int, b: float, c: str, d: bool, when: datetime.datetime, day: datetime.date, span: datetime.timedelta
) -> str:
    return f"{a} {b} {c} {d} {when} {day} {span}"
