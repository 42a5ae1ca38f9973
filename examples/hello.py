"""The smallest program.

flyte run examples/hello.py main --name Ada
"""

import flyte

env = flyte.TaskEnvironment(name="hello")


@env.task
async def main(name: str = "World") -> str:
    """Greet somebody.

    Args:
        name: Whom to greet.
    """
    return f"Hello, {name}!"


if __name__ == "__main__":
    flyte.init_from_config()
    run = flyte.run(main, name="Ada")
    print(run.url)
    print(run)  # waits, then prints the result
