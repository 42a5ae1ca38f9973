"""Deploy a task once, then run it by its name from anywhere.

flyte deploy examples/deployed.py env
flyte run deployed-task deployed.total --prices '[1.5, 2.5]'

This file does the same in Python: python examples/deployed.py
"""

import flyte
import flyte.remote

env = flyte.TaskEnvironment(name="deployed", description="Prices and their totals")


@env.task
async def total(prices: list[float], discount: float = 0.0) -> float:
    """Add prices up.

    Args:
        prices: One price each.
        discount: The part to take off, from 0 to 1.
    """
    return sum(prices) * (1 - discount)


if __name__ == "__main__":
    flyte.init_from_config()
    deployment = flyte.deploy(env)
    print(deployment[0].summary_repr())

    # By name alone it is the latest version …
    print(flyte.run("deployed.total", prices=[1.5, 2.5]))

    # … and a handle says which one it is.
    latest = flyte.remote.Task.get("deployed.total", auto_version="latest")
    run = flyte.run(latest, prices=[10.0, 30.0], discount=0.25)
    run.wait()
    print(run.status, run.outputs()[0])
