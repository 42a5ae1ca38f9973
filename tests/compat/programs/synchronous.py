"""Synchronous tasks that call each other."""

import flyte

env = flyte.TaskEnvironment("synchronous")


@env.task
def double(x: int) -> int:
    return 2 * x


@env.task
def main(x: int = 2) -> int:
    return double(double(x))
