"""Compare this system with the process floor and with its peers, on this machine, in one go.

    python bench/run.py [--quick] [--systems ours,floor,prefect,dagster] [--children 1000] [--sequential 100]

Each peer gets a virtual environment of its own under .cache/bench-envs. All systems are up at once and take turns,
so that whatever else the machine does falls on all alike. Writes RESULTS.md and results.jsonl: into bench/ where
everything was measured in full, else into .cache/bench/, so that a look in between replaces no report.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import shlex
import sys
import tempfile
from collections import defaultdict

from measure import Measurement, measure
from report import report
from systems import SYSTEMS, WORKLOADS, served

HERE = pathlib.Path(__file__).resolve().parent
PARTIAL = HERE.parent / ".cache" / "bench"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure this system and its peers.")
    parser.add_argument("--quick", action="store_true", help="3 rounds, 100 parallel and 20 sequential children")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help=f"some of {','.join(SYSTEMS)}")
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help=f"some of {','.join(WORKLOADS)}")
    parser.add_argument("--children", type=int, help="parallel children of one parent")
    parser.add_argument("--sequential", type=int, help="sequential children of one parent")
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    parser.add_argument("--note", default="", help="a sentence for the report, on what else the machine did, say")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="where the report goes")
    options = parser.parse_args()
    partial = (options.quick, options.children, options.sequential, options.rounds)
    all_of_it = (options.systems, options.workloads) == (",".join(SYSTEMS), ",".join(WORKLOADS))
    out: pathlib.Path = options.out or (HERE if all_of_it and not any(partial) else PARTIAL)
    sizes = {
        "cold": 1,
        "cli": 1,
        "single": 1,
        "sequential": options.sequential or (20 if options.quick else 100),
        "parallel": options.children or (100 if options.quick else 1000),
    }
    rounds = options.rounds or (3 if options.quick else 5)
    systems = [SYSTEMS[name] for name in options.systems.split(",")]
    for system in systems:
        system.install()
    taken: dict[tuple[str, str], list[Measurement]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(served(system, pathlib.Path(folder) / system.name / "home")) for system in systems
        ]
        for workload in options.workloads.split(","):
            for number in range(rounds):
                for one in running:
                    if workload in one.system.workloads:
                        result = measure(one, workload, sizes[workload])
                        taken[one.system.name, workload].append(result)
                        print(
                            f"{workload} {number + 1}/{rounds} {one.system.name}: {result.seconds:.3f} s",
                            file=sys.stderr,
                        )
    lines = [
        {
            "system": system,
            "workload": workload,
            "n": sizes[workload],
            "seconds": [round(one.seconds, 4) for one in results],
            "rss_mb": round(max(one.rss_mb for one in results), 1),
            "cpu_seconds": [round(one.cpu_seconds, 3) for one in results],
            "versions": SYSTEMS[system].versions(),
        }
        for (system, workload), results in taken.items()
    ]
    out.mkdir(parents=True, exist_ok=True)
    text = report(lines, _again(sys.argv[1:], options.note), options.note)  # before the results change the tree
    (out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (out / "RESULTS.md").write_text(text)
    print(f"Written: {out / 'RESULTS.md'}", file=sys.stderr)


def _again(arguments: list[str], note: str) -> str:
    """The arguments without the note of this one time."""
    return shlex.join(word for word in arguments if word not in ("--note", note) and not word.startswith("--note="))


if __name__ == "__main__":
    main()
