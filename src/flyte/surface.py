"""The table of public names: where each lives, and which are not built yet.

A name is `module:attribute`. `resolve` puts what it finds into the package, so that it is asked once. Names and
modules of the Flyte surface that are missing here raise `FeatureNotAvailable`, which names the page that lists
them. Public modules never hide a public function: no module bears the name of one.
"""

from __future__ import annotations

import importlib
import opcode
from types import FrameType, ModuleType
from typing import Any

from flyte.errors import FeatureNotAvailableAttribute, FeatureNotAvailableImport

_IMPORT_FROM = opcode.opmap["IMPORT_FROM"]
_PAGE = "docs/compatibility.md"

FLYTE: dict[str, str] = {
    "AMD_GPU": "model.device:AMD_GPU",
    "APPLE_SILICON": "model.device:APPLE_SILICON",
    "AsyncFunctionTaskTemplate": "authoring.task:AsyncFunctionTaskTemplate",
    "Backoff": "model.retry:Backoff",
    "Cache": "model.cache:Cache",
    "CachePolicy": "model.cache:CachePolicy",
    "CacheRequest": "model.cache:CacheRequest",
    "Cron": "model.automation:Cron",
    "Device": "model.device:Device",
    "DeviceClass": "model.device:DeviceClass",
    "Documentation": "model.documentation:Documentation",
    "Environment": "authoring.environment:Environment",
    "FixedRate": "model.automation:FixedRate",
    "GPU": "model.device:GPU",
    "HABANA_GAUDI": "model.device:HABANA_GAUDI",
    "Image": "model.image:Image",
    "Link": "model.documentation:Link",
    "Neuron": "model.device:Neuron",
    "OnArtifact": "model.automation:OnArtifact",
    "PodTemplate": "model.pod:PodTemplate",
    "Resources": "model.resources:Resources",
    "RetryStrategy": "model.retry:RetryStrategy",
    "ReusePolicy": "model.reuse:ReusePolicy",
    "Secret": "model.secret:Secret",
    "SecretRequest": "model.secret:SecretRequest",
    "TPU": "model.device:TPU",
    "TaskEnvironment": "authoring.environment:TaskEnvironment",
    "TaskTemplate": "authoring.task:TaskTemplate",
    "Timeout": "model.timeout:Timeout",
    "TimeoutType": "model.timeout:TimeoutType",
    "Trigger": "model.trigger:Trigger",
    "TriggerTime": "model.trigger:TriggerTime",
    "TriggeredArtifact": "model.trigger:TriggeredArtifact",
    "TriggeredPartition": "model.trigger:TriggeredPartition",
    "__version__": "client.version:VERSION",
    "ctx": "authoring.context:ctx",
    "current_domain": "client.init:current_domain",
    "current_project": "client.init:current_project",
    "custom_context": "authoring.context:custom_context",
    "deploy": "launch.deploying:deploy",
    "get_custom_context": "authoring.context:get_custom_context",
    "group": "authoring.context:group",
    "init": "client.init:init",
    "init_from_config": "client.init:init_from_config",
    "is_control_plane_available": "client.init:is_control_plane_available",
    "logger": "client.logs:user_logger",
    "map": "authoring.mapping:map",
    "run": "launch.running:run",
    "system_logger": "client.logs:system_logger",
    "version": "client.version:version",
    "with_runcontext": "launch.running:with_runcontext",
}

REMOTE: dict[str, str] = {
    "Action": "remote.action:Action",
    "ActionDetails": "remote.details:ActionDetails",
    "ActionInputs": "remote.details:ActionInputs",
    "ActionOutputs": "model.outcome:ActionOutputs",
    "Project": "remote.project:Project",
    "Run": "remote.run:Run",
    "RunDetails": "remote.run:RunDetails",
    "Task": "remote.task:Task",
    "TaskDetails": "remote.task:TaskDetails",
    "TimeFilter": "remote.listing:TimeFilter",
    "User": "remote.project:User",
}

CONFIG: dict[str, str] = {
    "Config": "config.settings:Config",
    "auto": "config.settings:auto",
    "get_config_file": "config.settings:get_config_file",
    "set_if_exists": "config.settings:set_if_exists",
}

TYPES: dict[str, str] = {
    "TypeTransformerFailedError": "types.transformer:TypeTransformerFailedError",
}

TABLES: dict[str, dict[str, str]] = {
    "flyte": FLYTE,
    "flyte.config": CONFIG,
    "flyte.io": {},
    "flyte.models": {},  # a plain module: what it has it has imported
    "flyte.remote": REMOTE,
    "flyte.storage": {},
    "flyte.types": TYPES,
}
"""Public package → its names."""

MODULES = frozenset({"config", "errors", "io", "models", "remote", "storage", "syncify", "types"})
"""Public modules of the package `flyte`."""

ABSENT_MODULES = frozenset(
    [
        "flyte.ai",
        "flyte.app",
        "flyte.artifacts",
        "flyte.clustered",
        "flyte.connectors",
        "flyte.durable",
        "flyte.extend",
        "flyte.extras",
        "flyte.git",
        "flyte.io.extend",
        "flyte.notify",
        "flyte.prefetch",
        "flyte.report",
        "flyte.sandbox",
    ]
)
"""Public modules of the Flyte surface that this version does not have."""

ABSENT: dict[str, frozenset[str]] = {
    "flyte": frozenset(
        [
            "AppHandle",
            "BaseCheckpoint",
            "Checkpoint",
            "ConditionWebhook",
            "Directory",
            "File",
            "ImageBuild",
            "build",
            "build_images",
            "init_from_api_key",
            "init_in_cluster",
            "init_passthrough",
            "latest_checkpoint",
            "load_interactive_ctx",
            "load_plugin_config",
            "new_condition",
            "rerun",
            "run_python_script",
            "serve",
            "trace",
            "with_servecontext",
        ]
    ),
    "flyte.config": frozenset(),
    "flyte.io": frozenset(["DataFrame", "Dir", "EmptyDir", "File", "HashFunction", "PARQUET"]),
    "flyte.models": frozenset(["literal_to_enum"]),
    "flyte.remote": frozenset(
        [
            "App",
            "Artifact",
            "Condition",
            "PartitionSchema",
            "Secret",
            "SecretTypes",
            "Settings",
            "Trigger",
            "TriggerDetails",
            "auth_metadata",
            "upload_dir",
            "upload_file",
        ]
    ),
    "flyte.storage": frozenset(
        [
            "ABFS",
            "GCS",
            "S3",
            "Storage",
            "exists",
            "exists_sync",
            "get",
            "get_configured_fsspec_kwargs",
            "get_random_local_directory",
            "get_random_local_path",
            "get_stream",
            "get_underlying_filesystem",
            "is_remote",
            "join",
            "open",
            "put",
            "put_stream",
        ]
    ),
    "flyte.types": frozenset(
        [
            "FlytePickle",
            "Renderable",
            "TypeEngine",
            "TypeTransformer",
            "guess_interface",
            "literal_string_repr",
        ]
    ),
}
"""Public package → names of the Flyte surface that this version does not have."""


def _is_import(frame: FrameType) -> bool:
    code = frame.f_code.co_code
    return frame.f_lasti >= 0 and code[frame.f_lasti] == _IMPORT_FROM


def _not_built(name: str) -> str:
    return f"{name} is not available in this version yet; {_PAGE} lists what is."


def resolve(package: ModuleType, name: str, frame: FrameType) -> Any:
    """What a public name stands for.

    Args:
        package: Where it is looked up.
        name: The name.
        frame: The code that asks, which tells `package.name` from `from package import name`.

    Raises:
        FeatureNotAvailable: The name is known and not built yet: an AttributeError, or an ImportError for
            `from flyte import name`.
        AttributeError: There is no such name.
    """
    home = package.__name__
    target = TABLES[home].get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        value = getattr(importlib.import_module(f"flyte.{module}"), attribute)
        setattr(package, name, value)
        return value
    if home == "flyte" and name in MODULES:
        return importlib.import_module(f"flyte.{name}")
    if name in ABSENT[home] or f"{home}.{name}" in ABSENT_MODULES:
        text = _not_built(f"{home}.{name}")
        raise FeatureNotAvailableImport(text) if _is_import(frame) else FeatureNotAvailableAttribute(text)
    raise AttributeError(f"module {home!r} has no attribute {name!r}")


def refuse_module(name: str) -> None:
    """Say of `import flyte.report` what `flyte.report` says.

    Raises:
        FeatureNotAvailable: The module is known and not built yet.
    """
    if name in ABSENT_MODULES:
        raise FeatureNotAvailableImport(_not_built(name))


def names(package: str) -> list[str]:
    """The public names of a package."""
    found = set(TABLES[package])
    return sorted(found | MODULES if package == "flyte" else found)
