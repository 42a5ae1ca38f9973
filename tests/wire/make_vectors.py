"""Makes vectors.json and the golden specifications anew, with the official SDK.

    python tests/wire/make_vectors.py PYTHON_OF_THE_OFFICIAL_ENVIRONMENT

The official client submits `programs/vectors.py` of the compatibility suite to a recorder, then the official `a0`
executes it: what it enqueues are the vectors. The digests of function bodies differ between minor versions of Python,
so vectors are kept by the minor that made them; other minors' stay in the file.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from typing import Any

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

from flyte.wire.launch import AttemptPlace, launch_command  # noqa: E402  the folder of the tests comes first
from tests.compat.comparing import comparable  # noqa: E402
from tests.compat.recording import Recorder, client_config, recording  # noqa: E402

VECTORS, GOLDEN = HERE / "vectors.json", HERE / "golden"
RUN = "rvectors"
GOLDEN_PROGRAMS = {
    "machines": "small", "described": "env", "flagged": "env", "timed": "env", "secretive": "single", "odd": "env",
}  # fmt: skip
"""Programs of the compatibility suite whose deployments are kept as golden files, and their variables."""


def client(python: pathlib.Path, folder: pathlib.Path, recorder: Recorder, project: str, *argv: str) -> None:
    """Run the official client against the recorder."""
    config = client_config(folder, recorder.port, project)
    env = {**os.environ, "HOME": str(folder), "DO_NOT_TRACK": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(
        [str(python.parent / "flyte"), "-c", str(config), *argv],
        cwd=HERE.parent / "compat" / "programs", env=env, check=True, timeout=120,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def execute(python: pathlib.Path, folder: pathlib.Path, recorder: Recorder, request: Any) -> None:
    """Run the official task process of a recorded CreateRun."""
    inputs = folder / "inputs.pb"
    inputs.write_bytes(b"")
    place = AttemptPlace(
        org="local",
        project="vectors",
        domain="development",
        run_name=RUN,
        action_name="a0",
        attempt=1,
        input_uri=str(inputs),
        run_output_base=f"{folder}/run/",
        run_start_time=datetime(2026, 1, 1, tzinfo=UTC),
        endpoint=f"127.0.0.1:{recorder.port}",
    )
    command = launch_command(request.task_spec.SerializeToString(), request.run_spec.SerializeToString(), place)
    work = folder / "work"
    work.mkdir()
    env = {**os.environ, **command.env, "HOME": str(folder), "PATH": f"{python.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(python.parent / command.argv[0]), *command.argv[1:]],
        cwd=work, env=env, check=True, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (folder / "run" / "a0" / "1" / "outputs.pb").exists(), done.stdout[-2000:] + done.stderr[-2000:]


def vector(request: Any) -> dict[str, Any]:
    """What one Enqueue says."""
    action = request.action
    template = action.task.spec.task_template
    inputs = pathlib.Path(action.input_uri.removeprefix("file://")).read_bytes()
    return {
        "task": template.id.name,
        "parent": action.parent_action_name,
        "group": action.group,
        "name": action.action_id.name,
        "cache_key": action.task.cache_key.value,
        "inputs": base64.b64encode(inputs).decode(),
        "interface": base64.b64encode(template.interface.SerializeToString(deterministic=True)).decode(),
        "discovery_version": template.metadata.discovery_version,
        "ignored": list(template.metadata.cache_ignore_input_vars),
    }


DIGESTS = """
import base64, json, sys
from flyteidl2.core import interface_pb2
from flyteidl2.task import common_pb2
import flyte._internal.runtime.convert as convert
answers = []
for v in json.load(sys.stdin):
    inputs = common_pb2.Inputs.FromString(base64.b64decode(v["inputs"]))
    interface = interface_pb2.TypedInterface.FromString(base64.b64decode(v["interface"]))
    kept = [l for l in inputs.literals if l.name not in v["ignored"]]
    answers.append({
        "inputs_hash": convert.generate_inputs_hash_for_named_literals(kept),
        "interface_hash": convert.generate_interface_hash(interface),
    })
print(json.dumps(answers))
"""


def main() -> None:
    """Write the files."""
    python = pathlib.Path(sys.argv[1]).absolute()
    version = subprocess.run(
        [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        with recording(folder) as recorder:
            client(python, folder, recorder, "vectors", "run", "vectors.py", "main")
            (request,) = recorder.of("CreateRun", "vectors")
            execute(python, folder, recorder, request)
            enqueued = recorder.of("Enqueue", "vectors")
            found = [vector(message) for message in enqueued]
            for program, variable in GOLDEN_PROGRAMS.items():
                client(python, folder, recorder, program, "deploy", f"{program}.py", variable)
                write_golden(f"deploy-{program}", recorder.of("DeployTask", program), version)
            write_golden("run-vectors", [request], version)
            write_golden("enqueue-vectors", [m.action.task for m in enqueued], version)
    answers = subprocess.run(
        [str(python), "-c", DIGESTS], input=json.dumps(found), check=True, capture_output=True, text=True
    )
    for known, more in zip(found, json.loads(answers.stdout.splitlines()[-1]), strict=True):
        known.update(more)
    vectors = json.loads(VECTORS.read_text()) if VECTORS.exists() else {}
    vectors[version] = found
    VECTORS.write_text(json.dumps(vectors, indent=1, sort_keys=True) + "\n")


def write_golden(name: str, messages: list[Any], version: str) -> None:
    """Keep specifications by task, without what must differ."""
    specs = {}
    for message in messages:
        spec = comparable(message).get("spec") or comparable(message)["task_spec"]
        specs[spec["task_template"]["id"]["name"]] = spec
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / f"{name}-{version}.json").write_text(json.dumps(specs, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
