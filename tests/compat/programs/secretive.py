"""Secrets in all their spellings."""

import pathlib

import flyte

env = flyte.TaskEnvironment(
    name="secretive",
    secrets=[
        "my-key",
        flyte.Secret("plain"),
        flyte.Secret("in-group", group="the-group"),
        flyte.Secret("named", as_env_var="OTHER_NAME"),
        flyte.Secret("file", mount=pathlib.Path("/etc/flyte/secrets")),
    ],
)
single = flyte.TaskEnvironment(name="secretive_single", secrets="only", depends_on=[env])


@env.task
async def several(x: int) -> int:
    return x


@single.task
async def main(x: int = 1) -> int:
    return await several(x)
