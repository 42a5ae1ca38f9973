"""What a task asks of a machine."""

from __future__ import annotations

from typing import Any

import pytest

import flyte
from flyte.errors import InvalidType, InvalidValue
from flyte.model.device import Device, parse_accelerator
from flyte.model.quantity import parse_quantity
from flyte.wire.taskspec import _extended_resources


def on_the_wire(gpu: Any) -> tuple[str, str, int]:
    extended = _extended_resources(flyte.Resources(gpu=gpu))
    assert extended is not None
    accelerator = extended.gpu_accelerator
    return accelerator.device, accelerator.partition_size, accelerator.device_class


# Taken from the messages of the official SDK 2.12.1.
@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        ("A2:1", ("A2", "", 0)), ("A10:8", ("nvidia-a10", "", 0)), ("A10G:1", ("nvidia-a10g", "", 0)),
        ("A100:1", ("nvidia-tesla-a100", "", 0)), ("A100_80G:2", ("nvidia-a100-80gb", "", 0)),
        ("B200:1", ("B200", "", 0)), ("H100:1", ("nvidia-tesla-h100", "", 0)), ("H200:1", ("H200", "", 0)),
        ("L4:1", ("nvidia-l4", "", 0)), ("L40s:1", ("nvidia-l40s", "", 0)), ("V100:1", ("nvidia-tesla-v100", "", 0)),
        ("T4:1", ("nvidia-tesla-t4", "", 0)), ("RTX_PRO_4500:1", ("nvidia-rtx-pro-4500", "", 0)),
        ("RTX_PRO_6000:2", ("nvidia-rtx-pro-6000", "", 0)), ("GB10:1", ("GB10", "", 0)),
        ("T4 shared:1", ("T4 shared", "", 0)), ("L40S shared:1", ("L40S shared", "", 0)),
        ("Trn1:16", ("Trn1", "", 2)), ("Inf2:3", ("Inf2", "", 2)), ("MI300X:1", ("MI300X", "", 3)),
        ("Gaudi1:1", ("Gaudi1", "", 4)), ("AppleSilicon", ("AppleSilicon", "", 5)),
        ("AppleSilicon:1", ("AppleSilicon", "", 5)),
        (flyte.GPU("A100", 1, "1g.5gb"), ("nvidia-tesla-a100", "1g.5gb", 0)),
        (flyte.TPU("V5E", "2x2"), ("tpu-v5-lite-podslice", "2x2", 1)), (flyte.TPU("V5P"), ("tpu-v5p-slice", "", 1)),
        (flyte.TPU("V6E"), ("tpu-v6e-slice", "", 1)), (flyte.Neuron("Trn2u"), ("Trn2u", "", 2)),
        (flyte.AMD_GPU("MI355X"), ("MI355X", "", 3)), (flyte.HABANA_GAUDI("Gaudi1"), ("Gaudi1", "", 4)),
        (flyte.APPLE_SILICON(), ("AppleSilicon", "", 5)),
    ],
)  # fmt: skip
def test_accelerators_have_the_official_names_on_the_wire(gpu: Any, expected: tuple[str, str, int]) -> None:
    assert on_the_wire(gpu) == expected


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: flyte.GPU("X1", 1), "Unknown GPU 'X1'. Known are: A2, A10"),
        (lambda: flyte.GPU("T4", 0), "A device request needs a quantity of at least 1, got 0."),
        (lambda: flyte.GPU("T4 shared", 1, "1g.5gb"), "GPU 'T4 shared' is time-sliced and has no partitions."),
        (lambda: flyte.GPU("A100", 1, "x"), "GPU 'A100' has no partition 'x'. It has: 1g.5gb, 2g.10gb"),
        (lambda: flyte.GPU("T4", 1, "1g.5gb"), "It has: none."),
        (lambda: flyte.TPU("V9"), "Unknown TPU 'V9'"),
        (lambda: flyte.TPU("V5E", "9x9"), "TPU 'V5E' has no slice '9x9'. It has: 1x1"),
        (lambda: flyte.Neuron("x"), "Unknown Neuron device 'x'"),
        (lambda: flyte.AMD_GPU("x"), "Unknown AMD GPU 'x'"),
        (lambda: flyte.HABANA_GAUDI("x"), "Unknown Gaudi 'x'"),
        (lambda: Device(1, "CPU"), "Unknown device class 'CPU'; one of GPU, TPU"),  # type: ignore[arg-type]
        (lambda: flyte.Resources(gpu="T4"), "gpu='T4': write a number, '<MODEL>:<n>' with n of at least 1"),
        (lambda: flyte.Resources(gpu="T4:0"), "gpu='T4:0': write a number"),
        (lambda: flyte.Resources(gpu=-1), "Resources(gpu=…) must be zero or more, got -1."),
        (lambda: flyte.Resources(cpu=-1), "Resources(cpu=…) must be zero or more, not -1."),
        (lambda: flyte.Resources(cpu=float("nan")), "must be zero or more, not nan."),
        (lambda: flyte.Resources(cpu="x"), "Resources(cpu=…)='x' is not a quantity. Write a number with a unit"),
        (lambda: flyte.Resources(cpu=True), "Resources(cpu=True): write it as 2 or '500m'."),
        (lambda: flyte.Resources(memory=1024), "Resources(memory=1024): write it as '2Gi'."),
        (lambda: flyte.Resources(memory="-1Gi"), "Resources(memory=…)='-1Gi' is not a quantity."),
        (lambda: flyte.Resources(memory="1ki"), "has an unknown unit 'ki'. Use m, Ki"),
        (lambda: flyte.Resources(memory=("2Gi", "1Gi")), "the limit is below the request."),
        (lambda: flyte.Resources(cpu=(1, 2, 3)), "as a tuple must be (request, limit), got (1, 2, 3)."),
        (lambda: flyte.Resources(disk=("1Gi", "2Gi")), "Resources(disk=('1Gi', '2Gi')): write it as '2Gi'."),
        (lambda: flyte.Resources(shm="x"), "Resources(shm=…)='x' is not a quantity."),
    ],
)
def test_what_no_machine_has_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises(InvalidValue) as e:
        make()
    assert sentence in str(e.value)


@pytest.mark.parametrize("gpu", [True, 1.5, ["T4:1"]])
def test_an_accelerator_of_another_type_is_refused(gpu: Any) -> None:
    with pytest.raises(InvalidType, match=r"Resources\(gpu=…\) must be a number, '<MODEL>:<n>' or a flyte\.Device"):
        flyte.Resources(gpu=gpu)


def test_a_number_of_gpus_may_be_text() -> None:
    assert flyte.Resources(gpu="1").get_device() == Device(1, "GPU")
    assert flyte.Resources(gpu=0).get_device() is None
    assert flyte.Resources().get_device() is None
    assert flyte.Resources(gpu="H100:8").get_device() == parse_accelerator("H100:8") == flyte.GPU("H100", 8)


def test_shared_memory_may_follow_the_memory() -> None:
    assert flyte.Resources(shm="auto").get_shared_memory() == ""
    assert flyte.Resources(shm="1Gi").get_shared_memory() == "1Gi"
    assert flyte.Resources().get_shared_memory() is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", 0.5), ("2", 2), ("1.5", 1.5), (".5", 0.5), ("1k", 1000), ("2Gi", 2**31), ("1e3", 1000), (3, 3.0)],
)
def test_quantities_are_those_of_kubernetes(text: Any, value: float) -> None:
    assert parse_quantity(text, "x") == value
