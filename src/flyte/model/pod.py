"""Pod templates for the Kubernetes executor, as data.

A pod spec is a `kubernetes.client.V1PodSpec` or a plain dict in the manifest's own spelling; the package
`kubernetes` is never imported here. The methods that change a template work on the plain form.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeAlias

from flyte.errors import FeatureNotAvailable, InvalidType, InvalidValue

PRIMARY_CONTAINER_DEFAULT_NAME = "primary"

TerminationGracePeriod: TypeAlias = int | timedelta

_FUSE = "smarter-devices/fuse"
_FUSE_DEVICE = "fuse-device"


@dataclass
class PodTemplate:
    """What a task's pod is made from.

    Args:
        pod_spec: A `kubernetes.client.V1PodSpec`, or a dict in the spelling of a manifest.
        primary_container_name: The container that runs the task.
        labels: Labels of the pod.
        annotations: Annotations of the pod.

    Example:
        >>> PodTemplate().with_termination_grace_period(30).spec_as_dict()
        {'containers': [{'name': 'primary'}], 'terminationGracePeriodSeconds': 30}
    """

    pod_spec: Any = None
    primary_container_name: str = PRIMARY_CONTAINER_DEFAULT_NAME
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None

    @classmethod
    def from_spec(
        cls,
        pod_spec: Any,
        *,
        primary_container_name: str | None = None,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
    ) -> PodTemplate:
        """A template around a pod spec; its first container is the primary one unless named."""
        containers = as_plain(pod_spec).get("containers") or []
        first = containers[0].get("name") if containers else None
        return cls(pod_spec, primary_container_name or first or PRIMARY_CONTAINER_DEFAULT_NAME, labels, annotations)

    def spec_as_dict(self) -> dict[str, Any]:
        """The pod spec in the spelling of a manifest; a copy, empty where there is none."""
        return {} if self.pod_spec is None else as_plain(self.pod_spec)

    def allow_fuse(self, privileged: bool = False) -> PodTemplate:
        """Let the task mount file systems in user space.

        Args:
            privileged: Mount the node's device into a privileged container, where no device plugin hands it out.
        """
        spec, container = self._opened()
        context = container.setdefault("securityContext", {})
        _add_capability(context, "SYS_ADMIN")
        if privileged:
            context["privileged"] = True
            context.pop("allowPrivilegeEscalation", None)  # Kubernetes refuses both together
            _add_named(container.setdefault("volumeMounts", []), {"name": _FUSE_DEVICE, "mountPath": "/dev/fuse"})
            host = {"path": "/dev/fuse", "type": "CharDevice"}
            _add_named(spec.setdefault("volumes", []), {"name": _FUSE_DEVICE, "hostPath": host})
        else:
            resources = container.setdefault("resources", {})
            for kind in ("limits", "requests"):
                resources.setdefault(kind, {})[_FUSE] = "1"
        return self._with(spec, {"flyte.org/capability-fuse": "true"})

    def allow_nested_sandboxing(self) -> PodTemplate:
        """Let the task start sandboxes of its own (user namespaces)."""
        spec, container = self._opened()
        context = container.setdefault("securityContext", {})
        if not context.get("privileged"):
            context["allowPrivilegeEscalation"] = False
        _add_capability(context, "SYS_ADMIN")
        profile = f"container.apparmor.security.beta.kubernetes.io/{self.primary_container_name}"
        return self._with(spec, {profile: "unconfined", "flyte.org/capability-nested-sandboxing": "true"})

    def with_termination_grace_period(self, termination_grace_period: TerminationGracePeriod) -> PodTemplate:
        """Give the task time to end when its pod is taken away.

        Args:
            termination_grace_period: Seconds, or a timedelta (cut to whole seconds).

        Raises:
            InvalidType: It is neither.
            InvalidValue: It is negative.
        """
        period = termination_grace_period
        if isinstance(period, bool) or not isinstance(period, int | timedelta):
            raise InvalidType(f"termination_grace_period must be whole seconds or a timedelta, not {period!r}.")
        seconds = int(period.total_seconds()) if isinstance(period, timedelta) else period
        if seconds < 0:
            raise InvalidValue(f"termination_grace_period must not be negative, got {seconds} seconds.")
        spec, _ = self._opened()
        spec["terminationGracePeriodSeconds"] = seconds
        return self._with(spec, {})

    def to_k8s_pod(self) -> Any:
        """The template as it goes on the wire; not built yet, `spec_as_dict()` has what there is.

        Raises:
            FeatureNotAvailable: Always, in this version.
        """
        raise FeatureNotAvailable(
            "PodTemplate.to_k8s_pod() comes with the Kubernetes executor (docs/compatibility.md); "
            "spec_as_dict() gives the pod spec."
        )

    def _opened(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """A copy of the spec, and its primary container, which is added where it is missing."""
        spec = self.spec_as_dict()
        containers = spec.setdefault("containers", [])
        for container in containers:
            if container.get("name") == self.primary_container_name:
                return spec, container
        containers.append({"name": self.primary_container_name})
        return spec, containers[-1]

    def _with(self, spec: dict[str, Any], annotations: dict[str, str]) -> PodTemplate:
        merged = {**(self.annotations or {}), **annotations}
        return replace(self, pod_spec=spec, labels=copy.copy(self.labels), annotations=merged or self.annotations)


def _add_capability(context: dict[str, Any], name: str) -> None:
    added = context.setdefault("capabilities", {}).setdefault("add", [])
    if name not in added:
        added.append(name)


def _add_named(items: list[dict[str, Any]], item: dict[str, Any]) -> None:
    if all(other.get("name") != item["name"] for other in items):
        items.append(item)


def as_plain(pod_spec: Any) -> dict[str, Any]:
    """A pod spec as a dict in the spelling of a manifest; what is not set is left out.

    Raises:
        InvalidType: It is neither a dict nor an object of the `kubernetes` package.
    """
    plain = _plain(pod_spec)
    if not isinstance(plain, dict):
        raise InvalidType(
            f"pod_spec must be a kubernetes.client.V1PodSpec or a dict in the spelling of a manifest, not {pod_spec!r}."
        )
    return plain


def _plain(value: Any) -> Any:
    # The package's objects say themselves how their attributes are spelled: in `attribute_map`, or, in the newer
    # generation, through `model_dump`.
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    names = getattr(value, "attribute_map", None)
    if isinstance(names, Mapping):
        parts = {spelled: getattr(value, attribute) for attribute, spelled in names.items()}
        return {spelled: _plain(part) for spelled, part in parts.items() if part is not None}
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", by_alias=True, exclude_none=True) if callable(dump) else value
