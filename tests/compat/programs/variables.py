"""Environment variables of an environment."""

import flyte

env = flyte.TaskEnvironment(name="variables", env_vars={"ZULU": "1", "ALPHA": "two words", "LOG_LEVEL": "10"})


@env.task
async def main(x: int = 1) -> int:
    return x
