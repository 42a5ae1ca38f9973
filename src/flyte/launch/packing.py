"""From a plan to what goes on the wire: images, the code bundle, the folders of `sys.path`."""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flyte.authoring.environment import Environment
from flyte.bundle.archive import Archive, make_archive
from flyte.bundle.files import included_files, loaded_module_files
from flyte.client.session import Session
from flyte.client.uploads import upload_bytes
from flyte.errors import FeatureNotAvailable, InvalidValue, RpcError
from flyte.launch.plan import tasks_of
from flyte.model.bundle import CodeBundle
from flyte.model.ids import Scope
from flyte.model.image import Image, default_image_uri, is_default_image
from flyte.wire.services import method

_UPLOAD_LIFE_SECONDS = 900
"""How long the signed address for a bundle is asked to be good."""

COPY_STYLES = ("loaded_modules", "all", "none", "custom")


@dataclass(frozen=True)
class Packed:
    """What a plan became.

    Args:
        bundle: None for `copy_style="none"`.
        images: Environment → address.
        sys_path: Folders relative to the root, joined by colons.
    """

    bundle: CodeBundle | None
    version: str
    images: dict[str, str]
    sys_path: str | None


def check_copy_style(copy_style: str, version: str | None) -> None:
    """Refuse a copy style that cannot be used.

    Raises:
        InvalidValue: It is unknown, or `none` without a version.
        FeatureNotAvailable: It is not built yet.
    """
    if copy_style not in COPY_STYLES or copy_style == "custom":
        raise InvalidValue(f"copy_style={copy_style!r} is not known. Use loaded_modules, all or none.")
    if copy_style == "none" and not version:
        raise InvalidValue("Version is required when copy_style is 'none': there is no code to make one from.")
    if copy_style == "all":
        raise FeatureNotAvailable("copy_style='all' is not available yet (docs/compatibility.md); use loaded_modules.")


def archive_of(plan: Sequence[Environment], root: pathlib.Path) -> Archive:
    """The archive of the loaded modules and of what the environments include.

    Raises:
        CodeBundleError: There is nothing to pack, or something cannot be.
        InvalidValue: An include lies outside the root.
    """
    files = {file.path: file for file in loaded_module_files(root)}
    for env in plan:
        for file in included_files(root, env.declared_in, env.include):
            files[file.path] = file
    return make_archive(list(files.values()))


def sys_path_of(root: pathlib.Path) -> str:
    """The folders of this process's `sys.path` that lie below the root, relative to it."""
    found = []
    root = root.resolve()
    for entry in sys.path:
        folder = pathlib.Path(entry or ".").resolve()
        if folder.is_dir() and folder.is_relative_to(root) and "site-packages" not in folder.parts:
            relative = folder.relative_to(root).as_posix()
            found.append(f"./{relative}")
    return ":".join(found)


async def resolve_images(plan: Sequence[Environment], session: Session) -> dict[str, str]:
    """The address of each environment's image. The default one is this very interpreter where the backend is ours.

    Raises:
        FeatureNotAvailable: An image has layers, and this version builds none.
    """
    images: dict[str, str] = {}
    own: str | None = None
    for env in plan:
        image = env.image
        if image is None:
            continue
        if is_default_image(image):
            uri = session.images.get("default")
            if uri is None:
                own = own or await own_interpreter(session) or default_image_uri()
                uri = own
        elif isinstance(image, Image):
            uri = image.resolved_uri(session.images)
        else:
            uri = image
        if uri != image:  # an address that was written down as it is needs no looking up
            images[env.name] = uri
    return images


async def own_interpreter(session: Session) -> str | None:
    """The image that stands for this interpreter, where the backend runs on this machine and takes it."""
    transport = session.transport
    endpoint = session.config.platform.endpoint or ""
    host = endpoint.removeprefix("dns:///").partition("://")[2] or endpoint.removeprefix("dns:///")
    if transport is None or host.rsplit(":", 1)[0].strip("[]") not in ("127.0.0.1", "localhost", "::1"):
        return None
    from flyte.client.init import sdk_version

    request = method("SystemService", "RegisterInterpreter").request(
        executable=sys.executable,
        prefix=sys.prefix,
        version=".".join(map(str, sys.version_info[:3])),
        flyte_version=sdk_version(),
    )
    try:
        answer = await transport.unary("SystemService", "RegisterInterpreter", request)
    except RpcError as e:
        if e.code in ("unimplemented", "failed_precondition", "not_found"):
            return None
        raise
    return str(answer.image)


async def pack(
    plan: Sequence[Environment],
    session: Session,
    scope: Scope,
    *,
    copy_style: str,
    version: str | None,
    copy_bundle_to: pathlib.Path | None = None,
    upload: bool = True,
) -> Packed:
    """Resolve images, make the bundle and upload it.

    Raises:
        InvalidValue, CodeBundleError, FeatureNotAvailable: The code or an image cannot be sent.
        RpcError, StorageError: The upload failed.
    """
    check_copy_style(copy_style, version)
    images = await resolve_images(plan, session)
    sys_path = sys_path_of(session.root_dir) if session.sync_local_sys_paths else None
    if copy_style == "none":
        assert version is not None
        return Packed(None, version, images, sys_path)
    archive = archive_of(plan, session.root_dir)
    if copy_bundle_to is not None:
        _keep(archive, copy_bundle_to)
    uri = f"file:///dry-run/{archive.name}"
    if upload:
        assert session.transport is not None
        uri = await upload_bytes(
            session.transport, scope, archive.data, archive.name, life_seconds=_UPLOAD_LIFE_SECONDS
        )
    bundle = CodeBundle(computed_version=archive.digest, tgz=uri, files=list(archive.files))
    return Packed(bundle, version or archive.digest, images, sys_path)


def _keep(archive: Archive, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / archive.name).write_bytes(archive.data)


def deploy_version(packed: Packed, specs: Sequence[bytes]) -> str:
    """The version of a deployment: bundle, specifications without their versions, images."""
    digest = packed.bundle.computed_version if packed.bundle is not None else ""
    text = json.dumps(
        [
            digest,
            sorted(hashlib.md5(s, usedforsecurity=False).hexdigest() for s in specs),
            sorted(packed.images.items()),
        ]
    )
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def environments_of(task: Any) -> list[Environment]:
    """The plan of one task: its environment and all that it depends on."""
    from flyte.launch.plan import closure

    parent = task.parent_env() if task.parent_env is not None else None
    if parent is None:
        raise InvalidValue(f"Task {task.name} belongs to no environment. Use TaskEnvironment.from_task(…).")
    return closure(parent)


__all__ = ["Packed", "deploy_version", "environments_of", "pack", "tasks_of"]
