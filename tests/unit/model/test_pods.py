"""Pod templates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import pytest

import flyte
from flyte.errors import FeatureNotAvailable, InvalidType, InvalidValue

CONTAINER: dict[str, Any] = {"name": "main", "image": "x"}


class OldStyleSpec:
    """Shaped like an object of the kubernetes package."""

    attribute_map: ClassVar[dict[str, str]] = {
        "restart_policy": "restartPolicy",
        "containers": "containers",
        "dns": "dns",
    }

    def __init__(self) -> None:
        self.restart_policy = "Never"
        self.containers = [{"name": "first"}]
        self.dns = None


class NewStyleSpec:
    """Shaped like a pydantic model."""

    def model_dump(self, **how: object) -> dict[str, object]:
        assert how == {"mode": "json", "by_alias": True, "exclude_none": True}
        return {"containers": [{"name": "first"}]}


def test_fuse_needs_a_device_and_a_capability() -> None:
    template = flyte.PodTemplate().allow_fuse()
    assert template.annotations == {"flyte.org/capability-fuse": "true"}
    assert template.spec_as_dict() == {
        "containers": [
            {
                "name": "primary",
                "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
                "resources": {
                    "limits": {"smarter-devices/fuse": "1"},
                    "requests": {"smarter-devices/fuse": "1"},
                },
            }
        ]
    }


def test_privileged_fuse_mounts_the_nodes_device() -> None:
    spec = flyte.PodTemplate().allow_fuse(privileged=True).allow_fuse(privileged=True).spec_as_dict()
    assert spec["volumes"] == [{"name": "fuse-device", "hostPath": {"path": "/dev/fuse", "type": "CharDevice"}}]
    (container,) = spec["containers"]
    assert container["volumeMounts"] == [{"name": "fuse-device", "mountPath": "/dev/fuse"}]
    assert container["securityContext"] == {"capabilities": {"add": ["SYS_ADMIN"]}, "privileged": True}


@pytest.mark.parametrize("fuse_first", [True, False])
def test_a_privileged_container_may_escalate(fuse_first: bool) -> None:
    template = flyte.PodTemplate()
    template = template.allow_fuse(True) if fuse_first else template.allow_nested_sandboxing()
    template = template.allow_nested_sandboxing() if fuse_first else template.allow_fuse(True)
    (container,) = template.spec_as_dict()["containers"]
    assert "allowPrivilegeEscalation" not in container["securityContext"]


def test_nested_sandboxing_names_the_primary_container() -> None:
    template = flyte.PodTemplate(primary_container_name="main").allow_nested_sandboxing()
    assert template.annotations == {
        "container.apparmor.security.beta.kubernetes.io/main": "unconfined",
        "flyte.org/capability-nested-sandboxing": "true",
    }
    (container,) = template.spec_as_dict()["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"add": ["SYS_ADMIN"]},
    }


def test_every_change_gives_a_copy_and_keeps_the_rest() -> None:
    spec = {"containers": [{"name": "side"}, CONTAINER]}
    template = flyte.PodTemplate(spec, "main", {"a": "b"}, {"c": "d"})
    changed = template.allow_fuse().with_termination_grace_period(timedelta(minutes=1, milliseconds=500))
    assert spec == {"containers": [{"name": "side"}, {"name": "main", "image": "x"}]}
    assert changed.labels == {"a": "b"}
    assert changed.annotations == {"c": "d", "flyte.org/capability-fuse": "true"}
    assert changed.spec_as_dict()["terminationGracePeriodSeconds"] == 60
    assert [c["name"] for c in changed.spec_as_dict()["containers"]] == ["side", "main"]


@pytest.mark.parametrize("spec", [OldStyleSpec(), NewStyleSpec(), {"containers": [{"name": "first"}]}])
def test_the_first_container_is_the_primary_one_unless_named(spec: object) -> None:
    assert flyte.PodTemplate.from_spec(spec).primary_container_name == "first"
    assert flyte.PodTemplate.from_spec(spec, primary_container_name="x").primary_container_name == "x"
    assert flyte.PodTemplate.from_spec({}).primary_container_name == "primary"


def test_objects_are_spelled_as_in_a_manifest() -> None:
    spec = flyte.PodTemplate.from_spec(OldStyleSpec(), labels={"a": "b"}).spec_as_dict()
    assert spec == {"restartPolicy": "Never", "containers": [{"name": "first"}]}
    assert flyte.PodTemplate().spec_as_dict() == {}


@pytest.mark.parametrize(
    ("period", "kind", "sentence"),
    [
        (-1, InvalidValue, "termination_grace_period must not be negative, got -1 seconds."),
        ("x", InvalidType, "termination_grace_period must be whole seconds or a timedelta, not 'x'."),
        (True, InvalidType, "not True."),
    ],
)
def test_a_grace_period_is_a_time(period: Any, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind) as e:
        flyte.PodTemplate().with_termination_grace_period(period)
    assert sentence in str(e.value)


def test_other_specs_are_refused() -> None:
    with pytest.raises(InvalidType, match=r"pod_spec must be a kubernetes\.client\.V1PodSpec or a dict in the spell"):
        flyte.PodTemplate("x").allow_fuse()


def test_the_wire_form_comes_with_the_kubernetes_executor() -> None:
    with pytest.raises(FeatureNotAvailable, match=r"docs/compatibility\.md\); spec_as_dict\(\) gives the pod spec"):
        flyte.PodTemplate().to_k8s_pod()
