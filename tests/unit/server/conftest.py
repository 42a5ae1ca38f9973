"""A whole control plane in this process, over real HTTP, whose executor does what the test says."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from flyteidl2.core import literals_pb2, types_pb2
from flyteidl2.task import common_pb2, task_definition_pb2

from flyte.client.transport import Address, ConnectTransport
from flyte.errors import RpcError
from flyte.server.app import ControlPlane
from flyte.server.executors.port import (
    AttemptEnded,
    AttemptKey,
    AttemptStarted,
    Connected,
    ExecutorEvent,
    Launch,
    LogGrew,
)
from flyte.server.settings import ServerSettings
from flyte.storage.local import LocalStore
from flyte.wire.services import method

DEADLINE = 10.0


class PuppetExecutor:
    """An executor without processes: attempts start and end when the test lets them."""

    name = "puppet"

    def __init__(self) -> None:
        self.launches: dict[AttemptKey, Launch] = {}
        self.stops: list[tuple[AttemptKey, str]] = []
        self.places = 1000
        self._events: asyncio.Queue[ExecutorEvent] = asyncio.Queue()
        self._arrived = asyncio.Event()

    def free(self, busy: int) -> int:
        return self.places - busy

    async def start(self, launch: Launch) -> None:
        self.launches[launch.key] = launch
        self._arrived.set()

    async def stop(self, key: AttemptKey, reason: str, grace_seconds: float) -> None:
        self.stops.append((key, reason))

    async def acknowledge(self, key: AttemptKey) -> None:
        pass

    async def events(self) -> AsyncIterator[ExecutorEvent]:
        yield Connected(())
        while True:
            yield await self._events.get()

    async def close(self, *, keep_tasks: bool, grace_seconds: float) -> None:
        pass

    async def launched(self, run: str, action: str = "a0", attempt: int = 1) -> Launch:
        """The launch of an attempt, once it comes."""
        async with asyncio.timeout(DEADLINE):
            while True:
                self._arrived.clear()
                for key, launch in self.launches.items():
                    if (key.run, key.action, key.attempt) == (run, action, attempt):
                        return launch
                await self._arrived.wait()

    def started(self, launch: Launch) -> None:
        self._events.put_nowait(AttemptStarted(launch.key, at=1))

    def logged(self, launch: Launch, size: int) -> None:
        self._events.put_nowait(LogGrew(launch.key, size))

    def succeed(self, launch: Launch, outputs: common_pb2.Outputs | None = None) -> None:
        body = (outputs or common_pb2.Outputs()).SerializeToString()
        LocalStore().write(f"{launch.output_prefix}/outputs.pb", body)
        self._events.put_nowait(AttemptEnded(launch.key, at=2, exit_code=0, has_outputs=True))

    def connect(self, *known: AttemptKey) -> None:
        """The executor comes back, and knows of these attempts."""
        self._events.put_nowait(Connected(known))

    def fail(self, launch: Launch, exit_code: int = 1) -> None:
        self._events.put_nowait(AttemptEnded(launch.key, at=2, exit_code=exit_code))


class Site:
    """A control plane and its client."""

    def __init__(self, data: pathlib.Path) -> None:
        self.executor = PuppetExecutor()
        self.plane = ControlPlane(ServerSettings(data=data, port=0), self.executor)
        self.plane.grace_seconds = 0

    async def open(self) -> None:
        await self.plane.open()
        self.serving = asyncio.create_task(self.plane.serve())
        self.client = self.client_with({})

    async def close(self) -> None:
        self.plane.stop()
        await self.serving
        await self.plane.close()

    def client_with(self, headers: dict[str, str]) -> ConnectTransport:
        return ConnectTransport(Address(self.plane.url), lambda: headers, retries=0)

    async def call(self, service: str, name: str, *, bearer: str = "", **fields: Any) -> Any:
        """Call a method; the fields are those of its request."""
        client = self.client_with({"authorization": f"Bearer {bearer}"}) if bearer else self.client
        async with asyncio.timeout(DEADLINE):
            return await client.unary(service, name, method(service, name).request(**fields))

    async def refused(self, service: str, name: str, *, bearer: str = "", **fields: Any) -> RpcError:
        """Call a method that is to be refused; gives the error."""
        with pytest.raises(RpcError) as caught:
            await self.call(service, name, bearer=bearer, **fields)
        return caught.value

    def stream(self, service: str, name: str, *, bearer: str = "", **fields: Any) -> Any:
        client = self.client_with({"authorization": f"Bearer {bearer}"}) if bearer else self.client
        return client.stream(service, name, method(service, name).request(**fields))

    async def run(self, name: str, spec: task_definition_pb2.TaskSpec | None = None, **fields: Any) -> dict[str, Any]:
        """Start a run; gives the identifier of its root action."""
        await self.call("RunService", "CreateRun", run_id=run_id(name), task_spec=spec or task_spec(), **fields)
        return {"run": run_id(name), "name": "a0"}

    async def finish(self, name: str, outputs: common_pb2.Outputs | None = None) -> None:
        """Let a run's root succeed."""
        launch = await self.executor.launched(name)
        self.executor.succeed(launch, outputs)
        await self.phase(name, 5)

    async def phase(self, run: str, phase: int, action: str = "a0") -> None:
        """Wait until an action is in a phase."""
        async with asyncio.timeout(DEADLINE):
            async for update in self.stream("RunService", "WatchActionDetails", action_id=action_id(run, action)):
                if update.details.status.phase == phase:
                    return
        raise AssertionError(f"{action} of {run} ended otherwise")


def run_id(name: str, project: str = "flytesnacks", domain: str = "development") -> dict[str, str]:
    return {"org": "local", "project": project, "domain": domain, "name": name}


def project_id(project: str = "flytesnacks", domain: str = "development") -> dict[str, str]:
    return {"organization": "local", "domain": domain, "name": project}


def action_id(run: str, action: str = "a0") -> dict[str, Any]:
    return {"run": run_id(run), "name": action}


def integer(value: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar={"primitive": {"integer": value}})


def task_spec(
    name: str = "env.main", inputs: tuple[str, ...] = (), defaults: dict[str, int] | None = None, **metadata: Any
) -> task_definition_pb2.TaskSpec:
    spec = task_definition_pb2.TaskSpec(short_name=name.rpartition(".")[2], environment={"name": "env"})
    template = spec.task_template
    template.id.name, template.id.version, template.type = name, "v1", "python"
    template.container.image = "auto"
    template.container.args.extend(["a0", "--inputs", "{{.input}}", "--outputs-path", "{{.outputPrefix}}"])
    number = types_pb2.LiteralType(simple=types_pb2.INTEGER)
    for key in inputs:
        template.interface.inputs.variables.add(key=key).value.type.CopyFrom(number)
        parameter = spec.default_inputs.add(name=key).parameter
        parameter.var.type.CopyFrom(number)
        if defaults and key in defaults:
            parameter.default.CopyFrom(integer(defaults[key]))
        else:
            parameter.required = True
    template.interface.outputs.variables.add(key="o0").value.type.CopyFrom(number)
    for key, value in metadata.items():
        setattr(template.metadata, key, value)
    return spec


class Builders:
    """The messages that tests send."""

    run_id = staticmethod(run_id)
    project_id = staticmethod(project_id)
    action_id = staticmethod(action_id)
    integer = staticmethod(integer)
    task_spec = staticmethod(task_spec)

    @staticmethod
    def inputs(**values: int) -> common_pb2.Inputs:
        return common_pb2.Inputs(literals=[{"name": key, "value": integer(value)} for key, value in values.items()])

    @staticmethod
    def outputs(value: int) -> common_pb2.Outputs:
        return common_pb2.Outputs(literals=[{"name": "o0", "value": integer(value)}])

    @staticmethod
    def child(run: str, name: str, parent: str = "a0", **fields: Any) -> dict[str, Any]:
        spec = fields.pop("spec", None) or task_spec("env.child")
        return {
            "action_id": action_id(run, name),
            "parent_action_name": parent,
            "input_uri": f"file:///nowhere/{name}/inputs.pb",
            "task": {"id": {"name": spec.task_template.id.name, "version": "v1"}, "spec": spec},
            **fields,
        }


@pytest.fixture(scope="session")
def make() -> type[Builders]:
    """The messages that tests send."""
    return Builders


@pytest.fixture
async def site(tmp_path: pathlib.Path) -> AsyncIterator[Site]:
    """A running control plane with a puppet for an executor."""
    running = Site(tmp_path / "data")
    await running.open()
    yield running
    await running.close()
