"""The remaining settings of tasks and environments."""

import flyte

env = flyte.TaskEnvironment(name="flagged", interruptible=True, queue="fast", pod_template="template")


@env.task(
    short_name="short",
    report=True,
    entrypoint=True,
    produces_artifacts=True,
    service_account="robot",
    queue="slow",
    max_inline_io_bytes=1000,
)
async def main(x: int = 1) -> int:
    return x


@env.task(interruptible=False, pod_template="other")
async def other(x: int = 1) -> int:
    return x
