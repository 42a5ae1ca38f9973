"""Resources in all their spellings."""

import flyte

whole = flyte.TaskEnvironment(
    name="machines",
    resources=flyte.Resources(cpu=("500m", 2), memory="1Gi", gpu="T4:2", disk="10Gi", shm="auto"),
)
sliced = flyte.TaskEnvironment(
    name="machines_sliced",
    resources=flyte.Resources(cpu=1.5, memory=("1Gi", "2Gi"), gpu=flyte.GPU("A100", 1, "1g.5gb"), shm="1Gi"),
)
counted = flyte.TaskEnvironment(name="machines_counted", resources=flyte.Resources(gpu=2))
neuron = flyte.TaskEnvironment(name="machines_neuron", resources=flyte.Resources(gpu="Trn1:4"))
tpu = flyte.TaskEnvironment(name="machines_tpu", resources=flyte.Resources(gpu=flyte.TPU("V5P", "2x2x1")))
small = flyte.TaskEnvironment(
    name="machines_small", resources=flyte.Resources(cpu=1), depends_on=[whole, sliced, counted, neuron, tpu]
)


@whole.task
async def on_whole(x: int) -> int:
    return x


@sliced.task
async def on_slice(x: int) -> int:
    return x


@counted.task
async def on_counted(x: int) -> int:
    return x


@neuron.task
async def on_neuron(x: int) -> int:
    return x


@tpu.task
async def on_tpu(x: int) -> int:
    return x


@small.task
async def main(x: int = 1) -> int:
    return await on_whole(x)
