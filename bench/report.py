"""bench/RESULTS.md from the measured lines."""

from __future__ import annotations

import os
import pathlib
import platform
import subprocess
from datetime import UTC, datetime
from statistics import median
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent

TITLES = {
    "cold": "Cold: a whole process that runs hello once, in process",
    "cli": "`flyte run hello.py main` against a running backend, whole process",
    "single": "One task from a warm client: call to result",
    "sequential": "{n} sequential trivial children of one parent",
    "parallel": "{n} parallel trivial children of one parent",
}

SYSTEMS = {
    "floor": "What processes cost at least: `cold` is a Python that imports asyncio and exits; the others are forks of "
    "a warm interpreter that exit at once, one at a time, `parallel` eight at a time.",
    "ours": "This backend over its protocol: every action is an OS process of its own, recorded durably in SQLite "
    "(`synchronous=FULL`), with inputs, outputs and logs kept.",
    "ours-local": "This SDK in local mode, history recorded.",
    "official-local": "The official SDK in local mode.",
    "prefect": "Flow and tasks in the calling process and its threads, against a local Prefect server (SQLite); results"
    " are not persisted, its default. One task is a flow without tasks.",
    "dagster": "A job by `execute_in_process` in the calling process, one op after the other, with a local SQLite "
    "instance; telemetry off. One task is a job of one op; `sequential` has a first op that starts the chain; "
    "`parallel` is a dynamic output mapped and collected.",
}


def _machine() -> str:
    model = ""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = f" ({names[0]})" if names else ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{os.cpu_count()} CPUs{model}, {memory:.0f} GB, {platform.system()} {platform.release()}"


def _revision() -> str:
    """The commit that was measured, marked where the tree has changes; nothing outside a clone."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return f" Commit {done.stdout.strip()}." if done.returncode == 0 else ""


def _table(workload: str, lines: list[dict[str, Any]]) -> list[str]:
    rows = sorted((line for line in lines if line["workload"] == workload), key=lambda line: median(line["seconds"]))
    if not rows:
        return []
    medians = {row["system"]: median(row["seconds"]) for row in rows}
    own = next((medians[name] for name in ("ours", "ours-local") if name in medians), None)
    text = [f"## {TITLES[workload].format(n=rows[0]['n'])}", ""]
    text += [
        "| system | median s | least | most | a second | CPU s | MB | ours ÷ it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        seconds, middle = row["seconds"], medians[row["system"]]
        ratio = f"{own / middle:.2f}" if own is not None and middle else ""
        text.append(
            f"| {row['system']} | {middle:.3f} | {min(seconds):.3f} | {max(seconds):.3f} | {row['n'] / middle:.1f} | "
            f"{median(row['cpu_seconds']):.2f} | {row['rss_mb']:.0f} | {ratio} |"
        )
    return [*text, ""]


def report(lines: list[dict[str, Any]], arguments: str, note: str) -> str:
    """The text of RESULTS.md."""
    names = list(dict.fromkeys(line["system"] for line in lines))
    versions = {line["system"]: line["versions"] for line in lines}
    rounds = len(lines[0]["seconds"])
    again = f".venv/bin/python bench/run.py {arguments}"
    text = [
        "# Measurements",
        "",
        f"{datetime.now(UTC):%d %B %Y}, {_machine()}.{_revision()}",
        f"Medians of {rounds}; all systems were up at once and took turns.",
        *([note] if note else []),
        f"Again: `{again.strip()}`. The single values are in `results.jsonl`.",
        "",
        "`ours ÷ it` compares medians: below 1 we win. Ours is this backend where it takes part, else local mode.",
        "CPU is of the program and all its services, all processes that they started included; MB is the program's",
        "peak plus what its services hold afterwards (task processes not counted).",
        "",
    ]
    for workload in TITLES:
        text += _table(workload, lines)
    text += ["## What is compared, and what is not", ""]
    for name in names:
        shown = ", ".join(f"{package} {version}" for package, version in versions[name].items())
        text.append(f"- **{name}** ({shown}): {SYSTEMS[name]}")
    text += [
        "",
        "The systems do not do the same. Ours starts a process a task and keeps what it did; Prefect and Dagster",
        "call functions in the process that asks, which is their natural way on one machine, and costs them less.",
        "Their ways to isolate a task (a Prefect worker with its deployments, Dagster's multiprocess executor) are not",
        "measured, nor are several clients at once, large values, or anything on more than one machine.",
        "",
    ]
    return "\n".join(text)
