"""python prefect_driver.py WORKLOAD N: seconds from call to result of a flow in this process, as JSON."""

import json
import sys
import time

from prefect import flow, task


@task
def child(i: int) -> int:
    return i


@flow
def single(n: int) -> int:
    return n


@flow
def sequential(n: int) -> int:
    return sum(child(i) for i in range(n))


@flow
def parallel(n: int) -> int:
    return sum(future.result() for future in child.map(list(range(n))))


def main() -> None:
    workload, n = sys.argv[1], int(sys.argv[2])
    if workload == "cold":
        single(1)
        return
    single(1)
    start = time.perf_counter()
    globals()[workload](n)
    print(json.dumps({"seconds": time.perf_counter() - start}))


main()
