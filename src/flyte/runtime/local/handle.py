"""The run that local mode gives back: it is over and succeeded, because a failure is raised by `flyte.run` itself."""

from __future__ import annotations

from typing import Any, Literal

from flyte.model.context import ActionID
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


class LocalRun:
    """A finished run of local mode, with the surface of `flyte.remote.Run`.

    Args:
        name: The run's name.
        folder: Where its data lies.
        values: The outputs in order.
        inputs: The root's inputs.
    """

    def __init__(
        self,
        name: str,
        folder: str,
        values: tuple[Any, ...],
        inputs: dict[str, Any],
        project: str | None = None,
        domain: str | None = None,
    ) -> None:
        self._name = name
        self._folder = folder
        self._values = values
        self._inputs = inputs
        self._project = project
        self._domain = domain

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
        """Its log went to this process's own output."""
        return _Immediate(lambda *args, **kwargs: iter(()))

    def __str__(self) -> str:
        return as_text(self._values, len(self._values))

    def __repr__(self) -> str:
        return f"Run(name={self._name!r}, phase={self.phase.value!r}, mode='local')"
