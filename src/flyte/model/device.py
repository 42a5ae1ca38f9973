"""Accelerators: families, models and partitions, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from flyte.errors import InvalidType, InvalidValue

DeviceClass: TypeAlias = Literal["GPU", "TPU", "NEURON", "AMD_GPU", "HABANA_GAUDI", "APPLE_SILICON"]

GPU_MODELS: tuple[str, ...] = (
    "A2", "A10", "A10G", "A100", "A100_80G", "B200", "H100", "H200", "L4", "L40s", "T4", "V100",
    "RTX_PRO_4500", "RTX_PRO_6000", "GB10",
)  # fmt: skip
SHARED_GPU_MODELS: tuple[str, ...] = ("T4 shared", "L4 shared", "A10G shared", "A10 shared", "L40S shared")
GPU_PARTITIONS: dict[str, tuple[str, ...]] = {
    "A100": ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"),
    "A100_80G": ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"),
    "H100": ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"),
    "H200": ("1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"),
    "RTX_PRO_6000": ("1g.24gb", "2g.48gb", "4g.96gb"),
}
TPU_PARTITIONS: dict[str, tuple[str, ...]] = {
    "V5E": ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16"),
    "V5P": (
        "2x2x1", "2x2x2", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8", "8x8x16", "8x16x16", "16x16x16", "16x16x24",
    ),
    "V6E": ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16"),
}  # fmt: skip
NEURON_MODELS = ("Inf1", "Inf2", "Trn1", "Trn1n", "Trn2", "Trn2u")
AMD_MODELS = ("MI100", "MI210", "MI250", "MI250X", "MI300A", "MI300X", "MI325X", "MI350X", "MI355X")
GAUDI_MODELS = ("Gaudi1",)


@dataclass(frozen=True)
class Device:
    """An accelerator request. Made by `GPU`, `TPU`, `Neuron`, `AMD_GPU`, `HABANA_GAUDI`, `APPLE_SILICON`.

    Args:
        quantity: How many; at least 1.
        device_class: The family.
        device: The model, None for any.
        partition: A slice of the device, in the family's own spelling.

    Raises:
        InvalidType: The quantity is not a whole number.
        InvalidValue: The quantity is below 1.
    """

    quantity: int
    device_class: DeviceClass
    device: str | None = None
    partition: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.quantity, bool) or not isinstance(self.quantity, int):
            raise InvalidType(f"The quantity of a device request must be a whole number, not {self.quantity!r}.")
        if self.quantity < 1:
            raise InvalidValue(f"A device request needs a quantity of at least 1, got {self.quantity}.")
        if self.device_class not in get_args(DeviceClass):
            raise InvalidValue(
                f"Unknown device class {self.device_class!r}; one of {', '.join(get_args(DeviceClass))}."
            )


def _known(family: str, model: str, models: tuple[str, ...]) -> str:
    if model not in models:
        raise InvalidValue(f"Unknown {family} {model!r}. Known are: {', '.join(models)}.")
    return model


def GPU(device: str, quantity: int = 1, partition: str | None = None) -> Device:  # noqa: N802
    """An NVIDIA GPU. `'<model> shared'` asks for a time slice, which has no partitions.

    Raises:
        InvalidValue: Unknown model, quantity below 1, or a partition that the model does not have.
    """
    _known("GPU", device, GPU_MODELS + SHARED_GPU_MODELS)
    if partition is not None:
        if device in SHARED_GPU_MODELS:
            raise InvalidValue(f"GPU {device!r} is time-sliced and has no partitions.")
        allowed = GPU_PARTITIONS.get(device, ())
        if partition not in allowed:
            raise InvalidValue(
                f"GPU {device!r} has no partition {partition!r}. It has: {', '.join(allowed) or 'none'}."
            )
    return Device(quantity=quantity, device_class="GPU", device=device, partition=partition)


def TPU(device: str, partition: str | None = None) -> Device:  # noqa: N802
    """A Google TPU slice.

    Raises:
        InvalidValue: Unknown model or slice topology.
    """
    _known("TPU", device, tuple(TPU_PARTITIONS))
    if partition is not None and partition not in TPU_PARTITIONS[device]:
        raise InvalidValue(f"TPU {device!r} has no slice {partition!r}. It has: {', '.join(TPU_PARTITIONS[device])}.")
    return Device(quantity=1, device_class="TPU", device=device, partition=partition)


def Neuron(device: str) -> Device:  # noqa: N802
    """An AWS Inferentia or Trainium device."""
    return Device(quantity=1, device_class="NEURON", device=_known("Neuron device", device, NEURON_MODELS))


def AMD_GPU(device: str) -> Device:  # noqa: N802
    """An AMD Instinct GPU."""
    return Device(quantity=1, device_class="AMD_GPU", device=_known("AMD GPU", device, AMD_MODELS))


def HABANA_GAUDI(device: str) -> Device:  # noqa: N802
    """An Intel Gaudi accelerator."""
    return Device(quantity=1, device_class="HABANA_GAUDI", device=_known("Gaudi", device, GAUDI_MODELS))


def APPLE_SILICON() -> Device:  # noqa: N802
    """The Metal GPU of the Mac that hosts the backend."""
    return Device(quantity=1, device_class="APPLE_SILICON", device="AppleSilicon")


_FAMILIES: tuple[tuple[DeviceClass, tuple[str, ...]], ...] = (
    ("GPU", GPU_MODELS + SHARED_GPU_MODELS),
    ("NEURON", NEURON_MODELS),
    ("AMD_GPU", AMD_MODELS),
    ("HABANA_GAUDI", GAUDI_MODELS),
)


def parse_accelerator(text: str) -> Device:
    """A device from its short form, `'T4:1'` say.

    Raises:
        InvalidValue: The model is not known or the number is missing.
    """
    if text.split(":", maxsplit=1)[0] == "AppleSilicon":
        return APPLE_SILICON()
    model, _, count = text.rpartition(":")
    for device_class, models in _FAMILIES:
        if model in models and count.isdecimal() and int(count) >= 1:
            return Device(quantity=int(count), device_class=device_class, device=model)
    known = ", ".join(model for _, models in _FAMILIES for model in models)
    raise InvalidValue(
        f"gpu={text!r}: write a number, '<MODEL>:<n>' with n of at least 1, or a flyte.GPU(…). Models are: {known}."
    )
