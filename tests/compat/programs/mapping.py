"""flyte.map over lists."""

import flyte

env = flyte.TaskEnvironment(name="mapping")


@env.task
def add(x: int, y: int) -> int:
    return x + y


@env.task
def main(xs: list[int], table: dict[str, list[float]]) -> list[int]:
    return list(flyte.map(add, xs, [1] * len(xs)))
