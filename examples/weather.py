"""Four years of weather in Seattle: a pipeline of nested, parallel tasks over a real data file.

main ── year (one per year, all at once) ─┬─ read_days
     │                                    └─ month (twelve, by flyte.map)
     └─ check (fails once, and is tried again)

flyte run --follow examples/weather.py main
"""

import asyncio
import csv
import functools
import pathlib
from collections import Counter
from dataclasses import dataclass, field

import flyte

DATA = pathlib.Path(__file__).parent / "data" / "seattle-weather.csv"

# Tasks run in processes of their own, which get the modules that this one has loaded; other files are named here.
env = flyte.TaskEnvironment(name="weather", include=("data/seattle-weather.csv",))


@dataclass
class Day:
    """One line of the file; temperatures in degrees Celsius, rain in millimetres."""

    date: str
    rain: float
    hottest: float
    coldest: float
    kind: str


@dataclass
class Month:
    """What a month was like."""

    month: int
    days: int
    rain: float
    hottest: float
    coldest: float
    kinds: dict[str, int]


@dataclass
class Year:
    """What a year was like."""

    year: int
    days: int
    rain: float
    wettest_month: int
    hottest: float
    coldest: float
    kinds: dict[str, int]


@dataclass
class Summary:
    """The result of the pipeline."""

    days: int
    rain: float
    wettest_year: int
    hottest: float
    coldest: float
    kinds: dict[str, int] = field(default_factory=dict)


@env.task
async def read_days(year: int) -> list[Day]:
    """The days of one year, from the file that travelled with the code."""
    with DATA.open(newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        days = [
            Day(
                row["date"],
                float(row["precipitation"]),
                float(row["temp_max"]),
                float(row["temp_min"]),
                row["weather"],
            )
            for row in rows
            if row["date"].startswith(f"{year}/")
        ]
    if not days:
        raise ValueError(f"{DATA.name} has no days of {year}; it covers 2012 to 2015.")
    return days


@env.task
async def month(number: int, days: list[Day]) -> Month:
    """Sum up one month."""
    own = [day for day in days if int(day.date.split("/")[1]) == number]
    return Month(
        month=number,
        days=len(own),
        rain=round(sum(day.rain for day in own), 1),
        hottest=max(day.hottest for day in own),
        coldest=min(day.coldest for day in own),
        kinds=dict(Counter(day.kind for day in own)),
    )


@env.task
async def year(number: int) -> Year:
    """Sum up one year: its months are children, and run at once."""
    days = await read_days(number)
    numbers = sorted({int(day.date.split("/")[1]) for day in days})
    one_month = functools.partial(month, days=days)
    months = [result async for result in flyte.map.aio(one_month, numbers, return_exceptions=False)]
    return Year(
        year=number,
        days=sum(m.days for m in months),
        rain=round(sum(m.rain for m in months), 1),
        wettest_month=max(months, key=lambda m: m.rain).month,
        hottest=max(m.hottest for m in months),
        coldest=min(m.coldest for m in months),
        kinds=dict(sum((Counter(m.kinds) for m in months), Counter())),
    )


@env.task(retries=2)
async def check(years: list[Year]) -> int:
    """Prove that no day was lost. It fails at its first attempt, to show that it gets a second one."""
    if flyte.ctx().attempt_number == 0:
        raise ConnectionError("the almanac did not answer (on purpose, at the first attempt only)")
    for one in years:
        expected = 366 if one.year % 4 == 0 else 365
        if one.days != expected or sum(one.kinds.values()) != expected:
            raise AssertionError(f"{one.year} has {one.days} days, not {expected}")
    return sum(one.days for one in years)


@env.task
async def main(first_year: int = 2012, last_year: int = 2015) -> Summary:
    """Sum up the years from the first to the last.

    Args:
        first_year: 2012 at the earliest.
        last_year: 2015 at the latest.
    """
    print(f"Summing up {first_year} to {last_year}")
    with flyte.group("years"):
        years = await asyncio.gather(*(year(number) for number in range(first_year, last_year + 1)))
    for one in years:
        print(f"{one.year}: {one.days} days, {one.rain} mm of rain, most of it in month {one.wettest_month}")
    return Summary(
        days=await check(list(years)),
        rain=round(sum(one.rain for one in years), 1),
        wettest_year=max(years, key=lambda one: one.rain).year,
        hottest=max(one.hottest for one in years),
        coldest=min(one.coldest for one in years),
        kinds=dict(sum((Counter(one.kinds) for one in years), Counter())),
    )
