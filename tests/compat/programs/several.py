"""Environments that depend on each other."""

import flyte

base = flyte.TaskEnvironment(name="several_base", image="ghcr.io/flyteorg/flyte:py3.11-v2.12.1")
left = flyte.TaskEnvironment(name="several_left", depends_on=[base])
right = left.clone_with("several_right", env_vars={"SIDE": "right"}, depends_on=[base])
top = flyte.TaskEnvironment(name="several_top", depends_on=[left, right])


@base.task
async def prepare(x: int) -> int:
    return x


@left.task
async def on_left(x: int) -> int:
    return await prepare(x)


@right.task
def on_right(x: int) -> int:
    return prepare(x)


@top.task
async def main(x: int = 1) -> int:
    return await on_left(x)
