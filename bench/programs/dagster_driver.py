"""python dagster_driver.py WORKLOAD N: seconds from call to result of a job in this process, as JSON."""

import json
import sys
import time

from dagster import DagsterInstance, DynamicOut, DynamicOutput, job, op


@op(out=DynamicOut(int), config_schema={"n": int})
def numbers(context):
    for i in range(context.op_config["n"]):
        yield DynamicOutput(i, mapping_key=str(i))


@op
def child(i: int) -> int:
    return i


@op
def total(values: list[int]) -> int:
    return sum(values)


@op
def one() -> int:
    return 1


@op
def start() -> int:
    return 0


@op
def step(i: int) -> int:
    return i + 1


@job
def single_job():
    one()


@job
def fan_job():
    total(numbers().map(child).collect())


def chain_job(n: int):
    @job
    def chain():
        value = start()
        for _ in range(n):
            value = step(value)

    return chain


def main() -> None:
    workload, n = sys.argv[1], int(sys.argv[2])
    instance = DagsterInstance.get()
    jobs = {"sequential": chain_job(n)} if workload == "sequential" else {}
    single_job.execute_in_process(instance=instance)
    if workload == "cold":
        return
    run_config = {"ops": {"numbers": {"config": {"n": n}}}} if workload == "parallel" else None
    chosen = {"single": single_job, "parallel": fan_job, **jobs}[workload]
    begin = time.perf_counter()
    assert chosen.execute_in_process(instance=instance, run_config=run_config).success
    print(json.dumps({"seconds": time.perf_counter() - begin}))


main()
