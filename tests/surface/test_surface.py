"""The public names: one table, one list of what is not built, one twin for type checkers, one reference."""

from __future__ import annotations

import ast
import importlib
import json
import pathlib
import subprocess
import sys

import pytest

import flyte
import flyte.errors
import flyte.models
import flyte.remote
from flyte import surface
from flyte.errors import FeatureNotAvailable

ROOT = pathlib.Path(__file__).parents[2]
OFFICIAL = json.loads((pathlib.Path(__file__).parent / "official_names.json").read_text())["namespaces"]
TABLED = [namespace for namespace, table in surface.TABLES.items() if namespace != "flyte.models"]

FROM_THE_DOCUMENTS = {"Directory", "File"}
"""Names that the documents use and the official SDK does not have."""

PINNED = [
    "AMD_GPU",
    "APPLE_SILICON",
    "AsyncFunctionTaskTemplate",
    "Backoff",
    "Cache",
    "CachePolicy",
    "CacheRequest",
    "Cron",
    "Device",
    "DeviceClass",
    "Documentation",
    "Environment",
    "FixedRate",
    "GPU",
    "HABANA_GAUDI",
    "Image",
    "Link",
    "Neuron",
    "OnArtifact",
    "PodTemplate",
    "Resources",
    "RetryStrategy",
    "ReusePolicy",
    "Secret",
    "SecretRequest",
    "TPU",
    "TaskEnvironment",
    "TaskTemplate",
    "Timeout",
    "TimeoutType",
    "Trigger",
    "TriggerTime",
    "TriggeredArtifact",
    "TriggeredPartition",
    "__version__",
    "config",
    "ctx",
    "current_domain",
    "current_project",
    "custom_context",
    "deploy",
    "errors",
    "get_custom_context",
    "group",
    "init",
    "init_from_config",
    "io",
    "is_control_plane_available",
    "logger",
    "map",
    "models",
    "remote",
    "run",
    "storage",
    "syncify",
    "system_logger",
    "types",
    "version",
    "with_runcontext",
]


def run_python(code: str, executable: str = sys.executable) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n{code}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def names_in_stub(path: pathlib.Path) -> set[str]:
    """The names that a stub exports."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname for alias in node.names if alias.asname is not None}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            found.add(node.name)
    return found


def test_importing_flyte_loads_nothing_but_sys() -> None:
    loaded = run_python(
        "before = set(sys.modules)\nimport flyte\nprint(sorted(set(sys.modules) - before))",
    )
    assert loaded == "['flyte']"


def test_the_exported_names_are_pinned() -> None:
    assert sorted(dir(flyte)) == sorted(PINNED)


@pytest.mark.parametrize("namespace", TABLED)
def test_every_name_of_the_table_resolves_and_stays(namespace: str) -> None:
    package = importlib.import_module(namespace)
    for name in surface.TABLES[namespace]:
        value = getattr(package, name)
        assert vars(package)[name] is value
    for name in surface.MODULES if namespace == "flyte" else ():
        assert getattr(flyte, name) is sys.modules[f"flyte.{name}"]


@pytest.mark.parametrize("namespace", sorted(OFFICIAL))
def test_every_official_name_is_there_or_known_to_be_absent(namespace: str) -> None:
    official = set(OFFICIAL[namespace])
    if any(namespace == absent or namespace.startswith(f"{absent}.") for absent in surface.ABSENT_MODULES):
        with pytest.raises(FeatureNotAvailable):
            importlib.import_module(namespace)
        return
    module = importlib.import_module(namespace)
    absent = surface.ABSENT.get(namespace, frozenset())
    for name in official - absent:
        assert hasattr(module, name), f"{namespace}.{name} is neither there nor listed as absent"
    assert absent - official <= FROM_THE_DOCUMENTS, "listed as absent, but nobody expects it"
    for name in absent:
        assert not hasattr(module, name), f"{namespace}.{name} is there and still listed as absent"


@pytest.mark.parametrize(
    ("namespace", "stub"),
    [("flyte", "src/flyte/__init__.pyi"), ("flyte.remote", "src/flyte/remote/__init__.pyi")],
)
def test_the_twin_for_type_checkers_has_the_same_names(namespace: str, stub: str) -> None:
    assert names_in_stub(ROOT / stub) == set(surface.names(namespace))


def test_no_module_bears_the_name_of_a_public_function() -> None:
    files = {path.stem for path in (ROOT / "src/flyte").iterdir() if path.name != "__pycache__"}
    assert files & set(surface.FLYTE) == set()
    assert files & surface.ABSENT["flyte"] == set()


def test_every_public_error_is_there_whole() -> None:
    assert set(OFFICIAL["flyte.errors"]) <= set(vars(flyte.errors))


REACHED = {
    "import flyte; flyte.trace": "AttributeError",
    "import flyte; flyte.report": "AttributeError",
    "import flyte; getattr(flyte, 'git')": "AttributeError",
    "import flyte.remote; flyte.remote.upload_dir": "AttributeError",
    "import flyte.io; flyte.io.File": "AttributeError",
    "import flyte; flyte.io.File": "AttributeError",
    "from flyte import trace": "ImportError",
    "from flyte import report": "ImportError",
    "import flyte.report": "ImportError",
    "import flyte.app.extras": "ImportError",
    "from flyte.report import log": "ImportError",
    "from flyte.io import File": "ImportError",
    "from flyte.io.extend import DataFrameDecoder": "ImportError",
    "from flyte.storage import join": "ImportError",
    "from flyte.remote import upload_dir": "ImportError",
}
MANY = "; ".join(f"v{i} = {i}" for i in range(300))
"""More names than one byte can number: the instruction that imports then has a prefix."""


def interpreters() -> list[str]:
    """This interpreter and every other version of it on the machine that pyenv or the system has."""
    pattern = "versions/3.1[1-9]*/bin/python"
    return [sys.executable, *sorted(map(str, (pathlib.Path.home() / ".pyenv").glob(pattern)))]


@pytest.mark.parametrize("executable", interpreters())
def test_a_name_that_is_not_built_says_so_however_it_is_reached(executable: str) -> None:
    code = f"""
REACHED = {REACHED!r}
for _ in range(20):  # often enough for the interpreter to specialise what it runs
    for statement, kind in REACHED.items():
        for prefix in ("", {MANY!r} + "; "):
            try:
                exec(prefix + statement, {{}})
            except Exception as e:
                names = [c.__name__ for c in type(e).__mro__]
                assert "FeatureNotAvailable" in names, (statement, names, e)
                assert kind in names, (statement, names)
                assert "docs/compatibility.md" in str(e)
            else:
                raise AssertionError(statement)
print("done")
"""
    assert run_python(code, executable) == "done"


def test_a_name_that_is_none_is_an_ordinary_mistake() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'") as raised:
        _ = flyte.nonsense  # type: ignore[attr-defined]
    assert not isinstance(raised.value, FeatureNotAvailable)
    with pytest.raises(ModuleNotFoundError, match=r"flyte\.nonsense") as missing:
        importlib.import_module("flyte.nonsense")
    assert not isinstance(missing.value, FeatureNotAvailable)
    assert not hasattr(flyte, "__wrapped__")


def test_the_page_of_what_is_compatible_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/generate_compatibility.py"), "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
