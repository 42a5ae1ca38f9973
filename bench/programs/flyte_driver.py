"""python flyte_driver.py MODE WORKLOAD N: seconds from call to result, in a warm client, as JSON."""

import json
import sys
import time

import children

import flyte


def main() -> None:
    mode, workload, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if mode == "remote":
        flyte.init_from_config()
    runner = flyte.with_runcontext(mode=mode)

    def once(task, n: int) -> float:
        start = time.perf_counter()
        run = runner.run(task, n=n)
        if mode == "remote":
            run.wait(quiet=True)
        run.outputs()
        return time.perf_counter() - start

    once(children.single, 1)
    print(json.dumps({"seconds": once(getattr(children, workload), n)}))


main()
