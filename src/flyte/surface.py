"""The table of public names: where each lives, and which are not built yet.

A name is `module:attribute`. `resolve` puts what it finds into the package, so that it is asked once. Names of
the Flyte surface that are missing here raise `FeatureNotAvailable`, which names the page that lists them.
"""

from __future__ import annotations

import importlib
import opcode
from types import FrameType, ModuleType
from typing import Any

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
    "Device": "model.device:Device",
    "DeviceClass": "model.device:DeviceClass",
    "Documentation": "model.documentation:Documentation",
    "Environment": "authoring.environment:Environment",
    "GPU": "model.device:GPU",
    "HABANA_GAUDI": "model.device:HABANA_GAUDI",
    "Image": "model.image:Image",
    "Link": "model.documentation:Link",
    "Neuron": "model.device:Neuron",
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
    "ActionDetails": "remote.action:ActionDetails",
    "ActionInputs": "remote.action:ActionInputs",
    "ActionOutputs": "model.outcome:ActionOutputs",
    "Project": "remote.project:Project",
    "Run": "remote.run:Run",
    "RunDetails": "remote.run:RunDetails",
    "Task": "remote.task:Task",
    "TaskDetails": "remote.task:TaskDetails",
    "TimeFilter": "remote.listing:TimeFilter",
    "User": "remote.project:User",
}

TABLES: dict[str, dict[str, str]] = {"flyte": FLYTE, "flyte.remote": REMOTE}
"""Public package → its names."""

MODULES = frozenset({"config", "errors", "models", "remote", "syncify"})
"""Public modules of the package `flyte`."""

ABSENT: dict[str, frozenset[str]] = {
    "flyte": frozenset(
        [
            "AppHandle",
            "BaseCheckpoint",
            "Checkpoint",
            "ConditionWebhook",
            "Cron",
            "Directory",
            "File",
            "FixedRate",
            "ImageBuild",
            "OnArtifact",
            "Trigger",
            "TriggerTime",
            "TriggeredArtifact",
            "TriggeredPartition",
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
            "ai",
            "app",
            "artifacts",
            "clustered",
            "connectors",
            "durable",
            "extend",
            "extras",
            "git",
            "io",
            "notify",
            "prefetch",
            "report",
            "sandbox",
            "storage",
            "types",
        ]
    ),
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
}
"""Public package → names of the Flyte surface that this version does not have."""


def _is_import(frame: FrameType) -> bool:
    code = frame.f_code.co_code
    return frame.f_lasti >= 0 and code[frame.f_lasti] == _IMPORT_FROM


def resolve(package: ModuleType, name: str, frame: FrameType) -> Any:
    """What a public name stands for.

    Raises:
        FeatureNotAvailable: The name is known and not built yet: an AttributeError, or an ImportError for
            `from flyte import name`.
        AttributeError: There is no such name.
    """
    target = TABLES[package.__name__].get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        value = getattr(importlib.import_module(f"flyte.{module}"), attribute)
        setattr(package, name, value)
        return value
    if package.__name__ == "flyte" and name in MODULES:
        return importlib.import_module(f"flyte.{name}")
    if name in ABSENT[package.__name__]:
        from flyte.errors import FeatureNotAvailableAttribute, FeatureNotAvailableImport

        text = f"{package.__name__}.{name} is not available in this version yet; {_PAGE} lists what is."
        raise FeatureNotAvailableImport(text) if _is_import(frame) else FeatureNotAvailableAttribute(text)
    raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")


def names(package: str) -> list[str]:
    """The public names of a package."""
    found = set(TABLES[package])
    return sorted(found | MODULES if package == "flyte" else found)
