"""Three ways of doing many things at once: `flyte.map`, `asyncio.gather`, groups. Every call is an action of its own.

flyte run examples/fan_out.py main --n 6
"""

import asyncio
import functools
import math

import flyte

env = flyte.TaskEnvironment(name="fan_out", resources=flyte.Resources(cpu=1, memory="256Mi"))


@env.task
def power(exponent: int, base: int) -> int:
    """A task may be an ordinary function …"""
    return base**exponent


@env.task
async def square_root(x: int) -> float:
    """… or an asynchronous one."""
    return math.sqrt(x)


@env.task
async def halves(values: list[int]) -> list[float]:
    """Children have children: each square root is an action below this one."""
    with flyte.group("roots"):
        return list(await asyncio.gather(*(square_root(value) for value in values)))


@env.task
async def main(n: int = 6) -> dict[str, list[float]]:
    """Powers of two in one sweep, then their square roots in two halves at once."""
    # One input stays open in the partial; at most four run at once; the results come in order.
    powers = [value async for value in flyte.map.aio(functools.partial(power, base=2), range(n), concurrency=4)]
    with flyte.group("halves"):
        low, high = await asyncio.gather(halves(powers[: n // 2]), halves(powers[n // 2 :]))
    return {"powers": [float(value) for value in powers], "roots": low + high}
