"""What happens when a task fails: it is tried again, or its caller gets the error and decides.

flyte run examples/errors_and_retries.py main
"""

from datetime import timedelta

import flyte
import flyte.errors

env = flyte.TaskEnvironment(name="errors")

patient = flyte.RetryStrategy(count=3, backoff=flyte.Backoff(base=timedelta(milliseconds=100)))


@env.task(retries=patient, timeout=30)
async def flaky() -> int:
    """Fails twice, then works: each attempt is a new process, and only the last one counts."""
    attempt = flyte.ctx().attempt_number
    print(f"attempt {attempt}")
    if attempt < 2:
        raise ConnectionError("the service did not answer")
    return attempt


@env.task
async def hopeless(reason: str) -> None:
    """Fails at every attempt; without `retries` there is one."""
    raise ValueError(reason)


@env.task
async def main() -> list[str]:
    """A failure of a child is an exception in its parent: catch it, or fail with it."""
    told = [f"flaky worked at attempt {await flaky()}"]
    try:
        await hopeless("there is no such column")
    except flyte.errors.RuntimeUserError as error:
        told.append(f"hopeless failed with {error.code}: {error.message}")
    return told
