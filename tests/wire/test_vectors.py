"""Names, keys, literals and specifications, bit for bit as the official SDK computed them (see make_vectors.py)."""

from __future__ import annotations

import base64
import json
import pathlib
import sys
from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from flyteidl2.core import interface_pb2, tasks_pb2
from flyteidl2.task import common_pb2
from google.protobuf import json_format

from flyte.model.bundle import CodeBundle
from flyte.model.image import default_image_uri
from flyte.model.naming import child_name
from flyte.model.task import Placement
from flyte.runtime.invocation import bound_arguments
from flyte.runtime.serialised import definition_of
from flyte.types.transformer import Conversion
from flyte.wire.imagecache import encode_image_cache
from flyte.wire.inputs import inputs_from_pb, inputs_to_pb
from flyte.wire.keys import cache_key, inputs_hash, interface_hash, task_identity
from flyte.wire.services import method
from flyte.wire.taskspec import task_spec
from tests.compat.comparing import BUNDLE, VERSION, comparable, differences
from tests.conftest import import_program

HERE = pathlib.Path(__file__).parent
PROGRAMS = HERE.parent / "compat" / "programs"
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
ALL = json.loads((HERE / "vectors.json").read_text())
ANY_MINOR = ALL.get(MINOR) or next(iter(ALL.values()))
"""Vectors whose digests of function bodies may be of another minor version of Python."""


def _own_minor() -> list[dict[str, Any]]:
    if MINOR not in ALL:
        pytest.skip(f"digests of function bodies follow the minor version of Python, and none were made with {MINOR}")
    return ALL[MINOR]


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program that the vectors come from."""
    return import_program(PROGRAMS / "vectors.py")


def _message(kind: type[Any], text: str) -> Any:
    return kind.FromString(base64.b64decode(text))


def _placement(folder: pathlib.Path, images: dict[str, str]) -> Placement:
    return Placement(
        version=VERSION,
        project="vectors",
        domain="development",
        org="local",
        code_bundle=CodeBundle(computed_version=VERSION, tgz=BUNDLE),
        image_cache=encode_image_cache(images),
        root_dir=folder,
    )


def _images(*environments: str) -> dict[str, str]:
    return dict.fromkeys(environments, default_image_uri())


@pytest.mark.parametrize("vector", ANY_MINOR, ids=lambda v: f"{v['task']}-{v['name'][:6]}")
def test_digests_of_inputs_and_interfaces_are_the_official_ones(vector: dict[str, Any]) -> None:
    inputs = _message(common_pb2.Inputs, vector["inputs"])
    interface = _message(interface_pb2.TypedInterface, vector["interface"])
    assert inputs_hash(inputs.literals, vector["ignored"]) == vector["inputs_hash"]
    assert interface_hash(interface) == vector["interface_hash"]


@pytest.mark.parametrize("vectors", ALL.values(), ids=ALL)
def test_names_and_cache_keys_of_children_are_the_official_ones(vectors: list[dict[str, Any]]) -> None:
    calls: Counter[str] = Counter()
    for vector in vectors:
        inputs = _message(common_pb2.Inputs, vector["inputs"])
        template = tasks_pb2.TaskTemplate(interface=_message(interface_pb2.TypedInterface, vector["interface"]))
        template.id.name = vector["task"]
        template.metadata.discovery_version = vector["discovery_version"]
        hashed, identity = inputs_hash(inputs.literals, vector["ignored"]), task_identity(template)
        calls[call := f"{identity}:{hashed}:{vector['group']}"] += 1
        name = child_name(vector["parent"], hashed, identity, calls[call], vector["group"] or None)
        assert name == vector["name"], vector["task"]
        if vector["cache_key"]:
            key = cache_key(vector["task"], inputs, template.interface, vector["discovery_version"], vector["ignored"])
            assert key == vector["cache_key"], vector["task"]
    assert max(calls.values()) > 1, "no vector tells equal calls apart"


def test_literals_of_the_same_values_are_the_official_ones(program: ModuleType) -> None:
    for vector, (task, arguments, _) in zip(ANY_MINOR, program.CALLS, strict=True):
        ours = inputs_to_pb(task.interface, bound_arguments(task, (), arguments), Conversion())
        theirs = _message(common_pb2.Inputs, vector["inputs"])
        assert ours == theirs, task.name
        assert ours.SerializeToString(deterministic=True) == base64.b64decode(vector["inputs"])


def test_values_that_the_official_sdk_wrote_are_read_back(program: ModuleType) -> None:
    for vector, (task, arguments, _) in zip(ANY_MINOR, program.CALLS, strict=True):
        if task is program.times:
            continue  # naive moments come back as UTC; see the tests of types
        inputs = _message(common_pb2.Inputs, vector["inputs"])
        read = inputs_from_pb(task.interface, inputs, Conversion())
        assert {name: read[name] for name in arguments} == arguments, task.name


def test_versions_of_function_bodies_are_the_official_ones(program: ModuleType) -> None:
    for vector, (task, _, _) in zip(_own_minor(), program.CALLS, strict=True):
        assert task.cache_version() == vector["discovery_version"], task.name


def test_specifications_of_children_are_the_official_ones(program: ModuleType) -> None:
    _own_minor()
    golden = json.loads((HERE / "golden" / f"enqueue-vectors-{MINOR}.json").read_text())
    tasks = {task.name: task for task, _, _ in program.CALLS}
    assert set(golden) == set(tasks)
    placement = _placement(PROGRAMS, _images("vectors"))
    for name, task in tasks.items():
        spec = task_spec(definition_of(task, placement, default_image_uri()), placement, is_deployment=False)
        assert not differences(golden[name], _comparable(spec)), name


DEPLOYED = ("machines", "described", "flagged", "timed", "secretive", "odd")


@pytest.mark.parametrize("name", DEPLOYED)
def test_specifications_of_deployed_tasks_are_the_official_ones(name: str) -> None:
    _own_minor()
    golden = json.loads((HERE / "golden" / f"deploy-{name}-{MINOR}.json").read_text())
    module = import_program(PROGRAMS / f"{name}.py")
    plan = [env for env in vars(module).values() if hasattr(env, "tasks") and hasattr(env, "depends_on")]
    tasks = {task.name: task for env in plan for task in env.tasks.values()}
    assert set(golden) <= set(tasks)
    for task_name, expected in golden.items():
        task = tasks[task_name]
        cache = next(a for a in expected["task_template"]["container"]["args"] if isinstance(a, dict))
        placement = _placement(PROGRAMS, cache["image_lookup"])
        spec = task_spec(definition_of(task, placement, default_image_uri()), placement)
        found = _comparable(spec)
        for side in (expected, found):
            _without_place(side)
        assert not differences(expected, found), task_name


def _comparable(spec: Any) -> dict[str, Any]:
    return comparable(method("RunService", "CreateRun").request(task_spec=spec))["task_spec"]


def _without_place(spec: dict[str, Any]) -> None:
    """Leave out what follows from where a program was deployed: project, `sys.path`, repository."""
    spec["task_template"]["id"].pop("project", None)
    container = spec["task_template"]["container"]
    container["env"] = [v for v in container.get("env", []) if v["key"] != "_F_SYS_PATH"]
    documentation = spec.get("documentation", {})
    documentation.pop("source_code", None)
    if not documentation:
        spec.pop("documentation", None)


def test_a_golden_specification_is_a_message_of_the_idl() -> None:
    for path in sorted((HERE / "golden").glob("*.json")):
        for spec in json.loads(path.read_text()).values():
            for place, argument in enumerate(spec["task_template"]["container"]["args"]):
                if isinstance(argument, dict):
                    spec["task_template"]["container"]["args"][place] = json.dumps(argument)
            request = method("RunService", "CreateRun").request()
            json_format.ParseDict({"task_spec": spec}, request)
            assert request.task_spec.task_template.metadata.runtime.flavor == "python"
