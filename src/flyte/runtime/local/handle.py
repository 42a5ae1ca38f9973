"""The run that local mode gives back: it is over and succeeded, because a failure is raised by `flyte.run` itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Literal

from flyte.errors import InvalidValue
from flyte.model.context import ActionID, RawDataPath
from flyte.model.interface import NativeInterface
from flyte.model.outcome import ActionOutputs, as_text
from flyte.model.phase import ActionPhase


class _Immediate:
    """A method whose answer is at hand: call it, or await `.aio()`."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._answer(*args, **kwargs)

    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """The asynchronous form."""
        return self._answer(*args, **kwargs)


class _NoLines:
    """The lines of a log that is not kept, to be iterated over in both ways."""

    def __call__(self, *args: Any, **kwargs: Any) -> Iterator[str]:
        return iter(())

    async def aio(self, *args: Any, **kwargs: Any) -> AsyncIterator[str]:
        """The asynchronous form."""
        no_lines: tuple[str, ...] = ()
        for line in no_lines:
            yield line


class LocalRun:
    """A finished run of local mode, with the members of a `flyte.remote.Run`.

    Args:
        name: The run's name.
        folder: Where its data lies.
        values: The outputs in order.
        inputs: The root's inputs.
        interface: The types of both.
        labels: What it was labelled with.
    """

    def __init__(
        self,
        name: str,
        folder: str,
        values: tuple[Any, ...],
        inputs: dict[str, Any],
        interface: NativeInterface,
        project: str | None = None,
        domain: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._folder = folder
        self._values = values
        self._inputs = inputs
        self._interface = interface
        self._project = project
        self._domain = domain
        self._labels = dict(labels or {})

    @property
    def name(self) -> str:
        """The run's name."""
        return self._name

    @property
    def url(self) -> str:
        """Where its data lies."""
        return self._folder

    @property
    def phase(self) -> ActionPhase:
        """Where it ended."""
        return ActionPhase.SUCCEEDED

    @property
    def raw_phase(self) -> Any:
        """The phase's number on the wire."""
        from flyte.wire.phases import phase_to_pb  # protobuf, which local runs do without

        return phase_to_pb(self.phase)

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self._labels)

    @property
    def status(self) -> str:
        """The phase in upper case."""
        return self.phase.value.upper()

    @property
    def action(self) -> ActionID:
        """Its root action."""
        return ActionID(name="a0", run_name=self._name, project=self._project, domain=self._domain)

    def done(self) -> bool:
        """True: a local run is over when it is given back."""
        return True

    @property
    def wait(self) -> Any:
        """There is nothing to wait for."""

        def answer(quiet: bool = False, wait_for: Literal["terminal", "running"] = "terminal") -> None:
            del quiet, wait_for

        return _Immediate(answer)

    @property
    def outputs(self) -> Any:
        """The outputs; `(None,)` for a task without any."""
        return _Immediate(lambda: ActionOutputs(None, self._values or (None,)))

    @property
    def inputs(self) -> Any:
        """The inputs by name."""
        return _Immediate(lambda: dict(self._inputs))

    @property
    def output_literals(self) -> Any:
        """The outputs as the wire has them."""
        return _Immediate(lambda: self._literals(self._outputs_by_name(), self._interface.outputs))

    @property
    def input_literals(self) -> Any:
        """The inputs as the wire has them."""
        types = {name: declared for name, (declared, _) in self._interface.inputs.items()}
        return _Immediate(lambda: self._literals(self._inputs, types))

    @property
    def typed_outputs(self) -> Any:
        """The outputs in the types that you name."""
        return _Immediate(
            lambda types, deserializers=None: self._typed(self.output_literals(), types, deserializers or {})
        )

    @property
    def typed_inputs(self) -> Any:
        """The inputs in the types that you name."""
        return _Immediate(
            lambda types, deserializers=None: self._typed(self.input_literals(), types, deserializers or {})
        )

    def _outputs_by_name(self) -> dict[str, Any]:
        return dict(zip(self._interface.outputs, self._values, strict=True))

    def _literals(self, values: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
        from flyte.types.engine import engine  # not at the top: as above
        from flyte.types.transformer import Conversion

        conversion = Conversion(RawDataPath(path=self._folder))
        return {name: engine.encode(value, types[name], conversion) for name, value in values.items()}

    def _typed(
        self, literals: Mapping[str, Any], types: Mapping[str, Any], deserializers: Mapping[Any, Any]
    ) -> dict[str, Any]:
        from flyte.types.engine import engine  # not at the top: as above
        from flyte.types.transformer import Conversion

        for name in types:
            if name not in literals:
                raise InvalidValue(f"There is no {name!r}; there are {', '.join(literals) or 'none'}.")
        values = {name: engine.decode(literals[name], declared, Conversion()) for name, declared in types.items()}
        return {
            name: deserializers[types[name]](value) if types[name] in deserializers else value
            for name, value in values.items()
        }

    @property
    def raise_for_status(self) -> Any:
        """It succeeded: nothing is raised."""
        return _Immediate(lambda: None)

    @property
    def first_failure(self) -> Any:
        """None: it succeeded."""
        return _Immediate(lambda: None)

    @property
    def abort(self) -> Any:
        """It is over: nothing happens."""
        return _Immediate(lambda reason="": None)

    @property
    def sync(self) -> Any:
        """It is over: nothing changes."""
        return _Immediate(lambda: self)

    @property
    def details(self) -> Any:
        """Itself: a local run has no more to tell."""
        return _Immediate(lambda: self)

    @property
    def show_logs(self) -> Any:
        """Its log went to this process's own output."""
        return _Immediate(lambda *args, **kwargs: None)

    @property
    def get_logs(self) -> Any:
        """Nothing: its log went to this process's own output."""
        return _NoLines()

    async def watch(self, cache_data_on_done: bool = False, wait_for: str = "terminal") -> AsyncIterator[LocalRun]:
        """Itself, once: it is over."""
        yield self

    def __str__(self) -> str:
        return as_text(self._values, len(self._values))

    def __repr__(self) -> str:
        return f"Run(name={self._name!r}, phase={self.phase.value!r}, mode='local')"
