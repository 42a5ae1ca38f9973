"""Steps of a user's own program, for either SDK: python steps.py CONFIG ROOT STEP [ARGUMENT]. Prints JSON."""

import json
import pathlib
import sys

import flyte
import flyte.remote

IMAGE = "ghcr.io/flyteorg/flyte:py3.11-v2.12.1"


def submit(task, **inputs):
    """Run on the backend and wait for the end."""
    run = flyte.with_runcontext(mode="remote").run(task, **inputs)
    run.wait()
    return run


def phase(run):
    return str(getattr(run.phase, "value", run.phase)).lower().rpartition(".")[2]


def error_of(run):
    details = run.action.details() if callable(getattr(run.action, "details", None)) else run.action
    return str(details.error_info.message if hasattr(details, "error_info") else details)


def lifecycle():
    """Success, outputs, inputs, a user's error, a retry."""
    import flows

    done = submit(flows.main, n=4)
    failed = submit(flows.fails, x=7)
    caught = submit(flows.parent_of_failure, x=8)
    retried = submit(flows.flaky)
    return {
        "phases": [phase(run) for run in (done, failed, caught, retried)],
        "outputs": [list(run.outputs()) for run in (done, caught, retried)],
        "inputs": dict(done.inputs()),
        "url": done.url,
        "name": done.name,
        "failed": failed.name,
    }


def environment():
    """Which interpreter executes tasks."""
    import flows

    return {"prefix": submit(flows.environment).outputs()[0]}


def exchange():
    """Values go in, through a child and out; the tasks check that they are what they were.

    The official client reads outputs without the task's own types and in the order of their names, so what is
    compared here is that each plain value is among them.
    """
    import exchange as program

    run = submit(program.main, **program.VALUES._asdict())
    outputs = run.outputs()
    plain = ("number", "real", "text", "flag", "data", "when", "span", "items", "table", "loose", "either")
    absent = [name for name in plain if not _is_among(getattr(program.VALUES, name), outputs)]
    return {"phase": phase(run), "outputs": len(outputs), "absent": absent}


def _is_among(value, outputs):
    return any(type(output) is type(value) and output == value for output in outputs)


def begin(folder):
    """Start a run that waits, with children that wait, and leave it."""
    import flows

    return {"name": flyte.with_runcontext(mode="remote").run(flows.waits_for_children, folder=folder).name}


def actions(name):
    """Name and phase of a run's actions."""
    found = flyte.remote.Action.listall(for_run_name=name)
    return {action.name: phase(action) for action in found}


if __name__ == "__main__":
    config, root, step, *arguments = sys.argv[1:]
    # A default that is given by hand is run by the backend's own choice of interpreter, whoever submits.
    flyte.init_from_config(config, root_dir=pathlib.Path(root), images=(f"default={IMAGE}",))
    print(json.dumps(globals()[step](*arguments)))
