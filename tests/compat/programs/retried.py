"""Retries and backoff."""

from datetime import timedelta

import flyte

env = flyte.TaskEnvironment(name="retried")


@env.task(retries=3)
async def often() -> None:
    pass


@env.task(
    retries=flyte.RetryStrategy(2, flyte.Backoff(base=timedelta(seconds=1), factor=2.0, cap=timedelta(seconds=5)))
)
async def main() -> None:
    pass
