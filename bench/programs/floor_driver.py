"""python floor_driver.py WORKLOAD N: what processes cost at least: forks of a warm interpreter that exit at once."""

import asyncio  # noqa: F401  what a task process has loaded at least
import json
import os
import sys
import time


def forks(n: int, concurrency: int) -> None:
    alive = 0
    for _ in range(n):
        if alive == concurrency:
            os.wait()
            alive -= 1
        if os.fork() == 0:
            os._exit(0)
        alive += 1
    for _ in range(alive):
        os.wait()


def main() -> None:
    workload, n = sys.argv[1], int(sys.argv[2])
    if workload == "cold":
        return
    start = time.perf_counter()
    forks(n, 8 if workload == "parallel" else 1)
    print(json.dumps({"seconds": time.perf_counter() - start}))


main()
