"""What a task asks of the machine it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from flyte.errors import InvalidType, InvalidValue
from flyte.model.device import Device, parse_accelerator
from flyte.model.quantity import parse_quantity

CPU: TypeAlias = int | float | str
CPURequest: TypeAlias = CPU | tuple[CPU, CPU]
MemoryRequest: TypeAlias = str | tuple[str, str]


def _accelerator(gpu: int | str | Device) -> int | str | Device:
    if isinstance(gpu, bool):
        raise InvalidType("Resources(gpu=…) must be a number, '<MODEL>:<n>' or a flyte.Device, not a bool.")
    if isinstance(gpu, Device):
        return gpu
    if isinstance(gpu, str) and gpu.strip().isdecimal():
        gpu = int(gpu)
    if isinstance(gpu, int):
        if gpu < 0:
            raise InvalidValue(f"Resources(gpu=…) must be zero or more, got {gpu}.")
        return gpu
    if not isinstance(gpu, str):
        raise InvalidType(f"Resources(gpu=…) must be a number, '<MODEL>:<n>' or a flyte.Device, not {gpu!r}.")
    parse_accelerator(gpu)
    return gpu


@dataclass
class Resources:
    """CPU, memory, accelerators, disk and shared memory of a task.

    Args:
        cpu: Cores: `2`, `1.5`, `"500m"`, or (request, limit).
        memory: Bytes as text: `"2Gi"`, or (request, limit).
        gpu: A number (also as text), `"T4:1"`, or a `flyte.GPU(…)` and its kin.
        disk: Bytes as text.
        shm: Bytes of shared memory as text, or `"auto"` for as much as the memory allows.

    Raises:
        InvalidValue: A quantity cannot be read, is negative, or its limit is below its request.
        InvalidType: A value has the wrong type.

    Example:
        >>> Resources(cpu="500m", memory=("1Gi", "2Gi"), gpu="1").gpu
        1
    """

    cpu: CPURequest | None = None
    memory: MemoryRequest | None = None
    gpu: int | str | Device | None = None
    disk: str | None = None
    shm: str | None = None

    def __post_init__(self) -> None:
        self._check_pair("cpu", self.cpu, (int, float, str))
        self._check_pair("memory", self.memory, (str,))
        for name in ("disk", "shm"):
            value = getattr(self, name)
            if value is not None and not (name == "shm" and value == "auto"):
                self._check_one(name, value, (str,))
        if self.gpu is not None:
            self.gpu = _accelerator(self.gpu)

    @staticmethod
    def _check_one(name: str, value: object, kinds: tuple[type, ...]) -> float:
        if isinstance(value, bool) or not isinstance(value, kinds):
            example = "'2Gi'" if kinds == (str,) else "2 or '500m'"
            raise InvalidValue(f"Resources({name}={value!r}): write it as {example}.")
        return parse_quantity(value, f"Resources({name}=…)")  # type: ignore[arg-type]

    def _check_pair(self, name: str, value: object, kinds: tuple[type, ...]) -> None:
        if value is None:
            return
        if isinstance(value, tuple | list):
            if len(value) != 2:
                raise InvalidValue(f"Resources({name}=…) as a tuple must be (request, limit), got {value!r}.")
            low, high = (self._check_one(name, part, kinds) for part in value)
            if high < low:
                raise InvalidValue(f"Resources({name}={value!r}): the limit is below the request.")
            return
        self._check_one(name, value, kinds)

    def get_device(self) -> Device | None:
        """The accelerator asked for, None where there is none."""
        if self.gpu is None or self.gpu == 0:
            return None
        if isinstance(self.gpu, Device):
            return self.gpu
        if isinstance(self.gpu, int):
            return Device(quantity=self.gpu, device_class="GPU")
        return parse_accelerator(self.gpu)

    def get_shared_memory(self) -> str | None:
        """The shared memory as it goes on the wire: empty text for `auto`."""
        return "" if self.shm == "auto" else self.shm
