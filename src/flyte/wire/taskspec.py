"""A task definition → the TaskSpec message, exactly as wire_protocol §3.3 and §3.4 have it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flyteidl2.core import identifier_pb2, interface_pb2, literals_pb2, security_pb2, tasks_pb2
from flyteidl2.task import common_pb2, environment_pb2, task_definition_pb2
from google.protobuf import duration_pb2, wrappers_pb2

from flyte.errors import DeploymentError
from flyte.model.device import Device
from flyte.model.documentation import shortened
from flyte.model.interface import NO_DEFAULT
from flyte.model.resources import Resources
from flyte.model.retry import RetryStrategy
from flyte.model.secret import Secret
from flyte.model.task import RESOLVER, SDK_COMPATIBLE_VERSION, Placement, TaskDefinition
from flyte.types.engine import engine
from flyte.types.transformer import Conversion, TypeTransformerFailedError
from flyte.wire.inputs import interface_to_pb

_LONGEST_SHORT_DESCRIPTION = 255
_LONGEST_LONG_DESCRIPTION = 2048

_GPU_NAMES = {
    "T4": "nvidia-tesla-t4", "A10": "nvidia-a10", "A10G": "nvidia-a10g", "A100": "nvidia-tesla-a100",
    "A100_80G": "nvidia-a100-80gb", "L4": "nvidia-l4", "L40s": "nvidia-l40s", "V100": "nvidia-tesla-v100",
    "H100": "nvidia-tesla-h100", "RTX_PRO_4500": "nvidia-rtx-pro-4500", "RTX_PRO_6000": "nvidia-rtx-pro-6000",
    "V5E": "tpu-v5-lite-podslice", "V5P": "tpu-v5p-slice", "V6E": "tpu-v6e-slice",
}  # fmt: skip
_DEVICE_CLASSES = {
    "GPU": "NVIDIA_GPU", "TPU": "GOOGLE_TPU", "NEURON": "AMAZON_NEURON", "AMD_GPU": "AMD_GPU",
    "HABANA_GAUDI": "HABANA_GAUDI", "APPLE_SILICON": "APPLE_SILICON",
}  # fmt: skip


def task_spec(
    task: TaskDefinition, placement: Placement, *, is_deployment: bool = True
) -> task_definition_pb2.TaskSpec:
    """The whole specification of a task as it is sent with a run or a deployment.

    Args:
        is_deployment: A specification that travels with its only run has no defaults, descriptions or
            documentation: its inputs are complete, and nobody looks it up.

    Raises:
        DeploymentError: A default or a type cannot go on the wire; the sentence names task and input.
    """
    spec = task_definition_pb2.TaskSpec(
        task_template=_template(task, placement, is_described=is_deployment),
        short_name=task.short_name[:63],
        environment=environment_pb2.Environment(name=task.environment[:63]),
    )
    if not is_deployment:
        return spec
    spec.environment.description = shortened(task.environment_description or "", _LONGEST_SHORT_DESCRIPTION)
    spec.default_inputs.extend(_default_inputs(task))
    spec.documentation.CopyFrom(_documentation(task))
    return spec


def _template(task: TaskDefinition, placement: Placement, *, is_described: bool) -> tasks_pb2.TaskTemplate:
    template = tasks_pb2.TaskTemplate(
        id=identifier_pb2.Identifier(
            resource_type=identifier_pb2.ResourceType.TASK,
            project=placement.project,
            domain=placement.domain,
            name=task.name,
            version=placement.version,
            org=placement.org,
        ),
        type=task.task_type,
        metadata=_metadata(task, placement),
        interface=interface_to_pb(task, is_described=is_described),
        task_type_version=task.task_type_version,
        container=_container(task, placement),
    )
    security = _security(task)
    if security is not None:
        template.security_context.CopyFrom(security)
    extended = _extended_resources(task.resources)
    if extended is not None:
        template.extended_resources.CopyFrom(extended)
    if task.reusable is not None:
        _add_reuse(template, task)
    return template


def _duration(value: timedelta) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromTimedelta(value)
    return duration


def _metadata(task: TaskDefinition, placement: Placement) -> tasks_pb2.TaskMetadata:
    cached = task.cache.is_enabled()
    metadata = tasks_pb2.TaskMetadata(
        discoverable=cached,
        runtime=tasks_pb2.RuntimeMetadata(
            type=tasks_pb2.RuntimeMetadata.RuntimeType.FLYTE_SDK,
            version=SDK_COMPATIBLE_VERSION,
            flavor="python",
        ),
        retries=_retries(task.retries),
        discovery_version=task.cache_version,
        interruptible=task.interruptible,
        cache_serializable=cached and task.cache.serialize,
        cache_ignore_input_vars=task.cache.get_ignored_inputs() if cached else (),
        generates_deck=wrappers_pb2.BoolValue(value=task.report),
        debuggable=task.debuggable,
        is_entrypoint=task.entrypoint,
        produces_artifacts=task.produces_artifacts,
        pod_template_name=task.pod_template if isinstance(task.pod_template, str) else "",
    )
    max_runtime = task.timeout.bound("max_runtime")
    if max_runtime is not None:
        metadata.timeout.CopyFrom(_duration(max_runtime))
    queued, deadline = task.timeout.bound("max_queued_time"), task.timeout.bound("deadline")
    if queued is not None:
        metadata.timeouts.queued_timeout.CopyFrom(_duration(queued))
    if deadline is not None:
        metadata.timeouts.deadline.CopyFrom(_duration(deadline))
    if cached and isinstance(task.cache.max_age, timedelta):
        metadata.cache_max_age.CopyFrom(_duration(task.cache.max_age))
    if placement.code_bundle is not None and placement.code_bundle.tgz:
        metadata.code_bundle_uri = placement.code_bundle.tgz
    return metadata


def _retries(strategy: RetryStrategy) -> literals_pb2.RetryStrategy:
    retries = literals_pb2.RetryStrategy(retries=strategy.count)
    if strategy.backoff is not None:
        retries.backoff.base.CopyFrom(_duration(strategy.backoff.base))
        retries.backoff.factor = strategy.backoff.factor
        if strategy.backoff.cap is not None:
            retries.backoff.cap.CopyFrom(_duration(strategy.backoff.cap))
    return retries


def container_args(task: TaskDefinition, placement: Placement) -> list[str]:
    """The arguments of `a0`, with the placeholders that the backend fills in (wire_protocol §3.4)."""
    args = [
        "a0",
        "--inputs", "{{.input}}",
        "--outputs-path", "{{.outputPrefix}}",
        "--version", placement.version,
        "--raw-data-path", "{{.rawOutputDataPrefix}}",
        "--checkpoint-path", "{{.checkpointOutputPrefix}}",
        "--prev-checkpoint", "{{.prevCheckpointPrefix}}",
        "--run-name", "{{.runName}}",
        "--name", "{{.actionName}}",
        "--run-start-time", "{{.runStartTime}}",
    ]  # fmt: skip
    if placement.image_cache:
        args += ["--image-cache", placement.image_cache]
    bundle = placement.code_bundle
    if bundle is not None and bundle.tgz:
        args += ["--tgz", bundle.tgz, "--dest", bundle.destination]
    if bundle is not None and bundle.pkl:
        return [*args, "--pkl", bundle.pkl, "--dest", bundle.destination]
    return [*args, "--resolver", RESOLVER, "mod", task.module or "", "instance", task.variable or ""]


def _container(task: TaskDefinition, placement: Placement) -> tasks_pb2.Container:
    container = tasks_pb2.Container(
        image=task.image or "",
        args=container_args(task, placement),
        env=[literals_pb2.KeyValuePair(key=key, value=value) for key, value in task.env_vars.items()],
    )
    if placement.sys_path:
        container.env.append(literals_pb2.KeyValuePair(key="_F_SYS_PATH", value=placement.sys_path))
    if task.resources is not None:
        container.resources.CopyFrom(_resources(task.resources))
    return container


def _resources(resources: Resources) -> tasks_pb2.Resources:
    names = tasks_pb2.Resources.ResourceName
    pb = tasks_pb2.Resources()

    def add(name: tasks_pb2.Resources.ResourceName, value: Any) -> None:
        request, limit = value if isinstance(value, tuple | list) else (value, None)
        pb.requests.append(tasks_pb2.Resources.ResourceEntry(name=name, value=str(request)))
        if limit is not None:
            pb.limits.append(tasks_pb2.Resources.ResourceEntry(name=name, value=str(limit)))

    if resources.cpu is not None:
        add(names.CPU, resources.cpu)
    if resources.memory is not None:
        add(names.MEMORY, resources.memory)
    device = resources.get_device()
    if device is not None:
        add(names.GPU, device.quantity)
    if resources.disk is not None:
        add(names.EPHEMERAL_STORAGE, resources.disk)
    return pb


def _extended_resources(resources: Resources | None) -> tasks_pb2.ExtendedResources | None:
    if resources is None:
        return None
    device = resources.get_device()
    extended = tasks_pb2.ExtendedResources()
    if device is not None and (device.device or device.device_class != "GPU"):
        extended.gpu_accelerator.CopyFrom(_accelerator(device))
    memory = resources.get_shared_memory()
    if memory is not None:
        shared = tasks_pb2.SharedMemory(mount_path="/dev/shm", mount_name="flyte-shm", size_limit=memory)  # noqa: S108  a mount of the pod's own
        extended.shared_memory.CopyFrom(shared)
    return extended if extended.ByteSize() else None


def _accelerator(device: Device) -> tasks_pb2.GPUAccelerator:
    accelerator = tasks_pb2.GPUAccelerator(device=_GPU_NAMES.get(device.device or "", device.device or ""))
    if device.device_class in _DEVICE_CLASSES:
        accelerator.device_class = tasks_pb2.GPUAccelerator.DeviceClass.Value(_DEVICE_CLASSES[device.device_class])
    if device.partition:
        accelerator.partition_size = device.partition
    return accelerator


def _secret(secret: Secret) -> security_pb2.Secret:
    kinds = security_pb2.Secret.MountType
    if secret.mount is not None:
        return security_pb2.Secret(group=secret.group or "", key=secret.key, mount_requirement=kinds.FILE)
    return security_pb2.Secret(
        group=secret.group or "", key=secret.key, mount_requirement=kinds.ENV_VAR, env_var=secret.env_var
    )


def _security(task: TaskDefinition) -> security_pb2.SecurityContext | None:
    if not task.secrets and not task.service_account:
        return None
    context = security_pb2.SecurityContext(secrets=[_secret(secret) for secret in task.secrets])
    if task.service_account:
        context.run_as.k8s_service_account = task.service_account
    return context


def _add_reuse(template: tasks_pb2.TaskTemplate, task: TaskDefinition) -> None:
    reuse = task.reusable
    assert reuse is not None
    template.type = "actor"
    policy = template.reuse_policy
    policy.min_replicas, policy.max_replicas, policy.concurrency = (
        reuse.min_replicas,
        reuse.max_replicas,
        reuse.concurrency,
    )
    policy.idle_ttl.CopyFrom(_duration(_span(reuse.idle_ttl)))
    policy.scaledown_ttl.CopyFrom(_duration(_span(reuse.scaledown_ttl)))
    if reuse.scope == "run":
        policy.scope = tasks_pb2.ReusePolicy.Scope.Value("RUN")


def _span(value: int | timedelta) -> timedelta:
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


def _default_inputs(task: TaskDefinition) -> list[common_pb2.NamedParameter]:
    parameters = []
    for name, (declared, default) in task.interface.inputs.items():
        if default is NO_DEFAULT:
            continue
        variable = interface_pb2.Variable(type=engine.literal_type(declared))
        try:
            literal = engine.encode(default, declared, Conversion())
        except TypeTransformerFailedError as e:
            raise DeploymentError(
                f"The default of input {name!r} of task {task.name} cannot be sent: {e.message}"
            ) from e
        parameters.append(
            common_pb2.NamedParameter(name=name, parameter=interface_pb2.Parameter(var=variable, default=literal))
        )
    return parameters


def _documentation(task: TaskDefinition) -> task_definition_pb2.DocumentationEntity:
    documentation = task_definition_pb2.DocumentationEntity(
        short_description=shortened(task.description or "", _LONGEST_SHORT_DESCRIPTION),
        long_description=shortened(task.long_description or "", _LONGEST_LONG_DESCRIPTION),
    )
    if task.source_link:
        documentation.source_code.link = task.source_link
    return documentation
