"""Pod templates for the Kubernetes executor, as data."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

PRIMARY_CONTAINER_DEFAULT_NAME = "primary"


@dataclass
class PodTemplate:
    """What a task's pod is made from.

    Args:
        pod_spec: A `kubernetes.client.V1PodSpec`; that package is needed only when this is used.
        primary_container_name: The container that runs the task.
        labels: Labels of the pod.
        annotations: Annotations of the pod.
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
        containers = getattr(pod_spec, "containers", None) or []
        name = primary_container_name or (containers[0].name if containers else PRIMARY_CONTAINER_DEFAULT_NAME)
        return cls(pod_spec, name, labels, annotations)

    def _copy(self) -> PodTemplate:
        return replace(self, pod_spec=copy.deepcopy(self.pod_spec))
