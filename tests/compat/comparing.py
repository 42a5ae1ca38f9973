"""Requests of two clients in a form that can be compared field by field.

What is replaced, and why nothing else is:

    version          of a task: ours is a digest of our own (docs: versions), unless --version names it
    the bundle       its file name, address, md5 and length follow from the archive, whose digest is ours too
    the image cache  base64 of gzip of JSON: decoded, because compressors differ
    the file name    of an upload, and its root, are the bundle's
    the source line  in the documentation's link: theirs is the line after the first of the decorator, ours that of
                     `def`, as the documents have it; they are the same for decorators of one line
    _F_SYS_PATH      a folder that is named a second time has no effect, and is left out here

Not part of the programs, because ours means something else on purpose: `docs=` of a task, which theirs does not send.

Messages become the dictionaries of their JSON form with all names as in the IDL; repeated fields keep their order.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from google.protobuf import json_format

VERSION, BUNDLE = "<version>", "<bundle>"


def comparable(message: Any, version: str | None = None) -> dict[str, Any]:
    """A request without what must differ.

    Args:
        message: Any recorded request.
        version: The version that `--version` named, which is not replaced.
    """
    data = json_format.MessageToDict(message, preserving_proto_field_name=True)
    _strip_upload(data)
    _shorten_sys_path(data.get("run_spec", {}).get("envs", {}).get("values", []))
    for spec in (data.get("task_spec"), data.get("spec")):
        if spec is not None:
            _strip_spec(spec, version)
    identifier = data.get("task_id")
    if identifier is not None and version is None:
        identifier["version"] = VERSION
    return data


def _strip_upload(data: dict[str, Any]) -> None:
    if "content_md5" in data:
        assert len(base64.b64decode(data["content_md5"])) == 16
        data["content_md5"] = data["filename"] = BUNDLE
        data.pop("content_length", None)


def _strip_spec(spec: dict[str, Any], version: str | None) -> None:
    template = spec["task_template"]
    if version is None:
        template["id"]["version"] = VERSION
    metadata = template["metadata"]
    if "code_bundle_uri" in metadata:
        metadata["code_bundle_uri"] = BUNDLE
    _shorten_sys_path(template.get("container", {}).get("env", []))
    source = spec.get("documentation", {}).get("source_code")
    if source is not None:
        source["link"] = source["link"].partition("#L")[0]
    args = template.get("container", {}).get("args", [])
    for place, flag in enumerate(args[:-1]):
        if flag == "--version" and version is None:
            args[place + 1] = VERSION
        elif flag == "--tgz":
            args[place + 1] = BUNDLE
        elif flag == "--image-cache":
            args[place + 1] = json.loads(gzip.decompress(base64.b64decode(args[place + 1])))


def _shorten_sys_path(variables: list[dict[str, str]]) -> None:
    for variable in variables:
        if variable["key"] == "_F_SYS_PATH":
            variable["value"] = ":".join(dict.fromkeys(variable["value"].split(":")))


def differences(theirs: Any, ours: Any, path: str = "") -> list[str]:
    """Every field that differs, as one line each."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key in sorted(set(theirs) | set(ours)):
            place = f"{path}.{key}"
            if key not in theirs:
                found.append(f"{place}: only ours: {ours[key]!r}"[:600])
            elif key not in ours:
                found.append(f"{place}: only theirs: {theirs[key]!r}"[:600])
            else:
                found += differences(theirs[key], ours[key], place)
        return found
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [d for i, (a, b) in enumerate(zip(theirs, ours, strict=True)) for d in differences(a, b, f"{path}[{i}]")]
    return [] if theirs == ours else [f"{path}: theirs {theirs!r}, ours {ours!r}"[:600]]
