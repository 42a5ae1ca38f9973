"""When a deployed task runs by itself, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flyte.errors import InvalidName, InvalidType, InvalidValue
from flyte.model.automation import Automation, Cron, FixedRate, OnArtifact
from flyte.model.documentation import shortened

_LONGEST_DESCRIPTION = 255


class _Bound:
    """Stands for a value that is known when the trigger fires. There is one object of each kind."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def __reduce__(self) -> str:
        return self._name


TriggerTime = _Bound("TriggerTime")
"""In a trigger's inputs: the time at which it was to fire."""

TriggeredArtifact = _Bound("TriggeredArtifact")
"""In a trigger's inputs: the artifact that set it off."""


@dataclass(frozen=True)
class TriggeredPartition:
    """In a trigger's inputs: one partition of the artifact that set it off.

    Raises:
        InvalidValue: The key is empty.
    """

    key: str

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not self.key:
            raise InvalidValue(f"TriggeredPartition needs the key of a partition, not {self.key!r}.")


@dataclass(frozen=True)
class Trigger:
    """A schedule or an event, attached to a task by `@env.task(triggers=…)` and deployed with it.

    Args:
        name: Unique among the task's triggers.
        automation: A `Cron`, a `FixedRate` or an `OnArtifact`; None for one that is only set off by hand.
        description: Shown beside the name; shortened to 255 characters.
        auto_activate: Active from its deployment on.
        inputs: What the task is run with; `TriggerTime`, `TriggeredArtifact` and `TriggeredPartition` stand for what
            is known when it fires.
        env_vars: Set in its runs.
        interruptible: Overrides the task's.
        overwrite_cache: Its runs compute again what the cache has.
        queue: Overrides the task's.
        max_action_concurrency: How many actions of one run may run at once; 0 for the platform's own limit.
        labels: Of its runs.
        annotations: Of its runs.
        notifications: Who is told how its runs end.
        custom_context: Handed to its runs.

    Raises:
        InvalidValue: The name is empty, the concurrency is 1, or an input binds what the automation does not have.
        InvalidType: A setting has the wrong type.

    Example:
        >>> Trigger("nightly", Cron("0 2 * * *"), inputs={"at": TriggerTime})
        Trigger('nightly', automation=Cron(expression='0 2 * * *', timezone='UTC'), inputs={'at': TriggerTime})
    """

    name: str
    automation: Automation | None = None
    description: str = ""
    auto_activate: bool = True
    inputs: dict[str, Any] | None = None
    env_vars: dict[str, str] | None = None
    interruptible: bool | None = None
    overwrite_cache: bool = False
    queue: str | None = None
    max_action_concurrency: int | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    notifications: Any = None
    custom_context: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise InvalidName(f"A trigger needs a name, not {self.name!r}.")
        if self.automation is not None and not isinstance(self.automation, Cron | FixedRate | OnArtifact):
            raise InvalidType(
                f"Trigger {self.name!r}: automation must be a flyte.Cron, FixedRate or OnArtifact, "
                f"not {self.automation!r}."
            )
        for name in ("env_vars", "labels", "annotations", "custom_context"):
            self._check_texts(name)
        if not isinstance(self.description, str):
            raise InvalidType(f"Trigger {self.name!r}: description must be text, not {self.description!r}.")
        if not isinstance(self.max_action_concurrency, int | None):
            raise InvalidType(
                f"Trigger {self.name!r}: max_action_concurrency must be a whole number, not "
                f"{self.max_action_concurrency!r}."
            )
        if self.max_action_concurrency is not None and (
            self.max_action_concurrency < 0 or self.max_action_concurrency == 1
        ):
            raise InvalidValue(
                f"Trigger {self.name!r}: max_action_concurrency must be 0 (the platform's limit) or at least 2, got "
                f"{self.max_action_concurrency}: a parent counts while it waits for its children."
            )
        self._check_inputs()
        object.__setattr__(self, "description", shortened(self.description, _LONGEST_DESCRIPTION))

    def _check_texts(self, name: str) -> None:
        texts = getattr(self, name)
        if texts is None:
            return
        if not isinstance(texts, Mapping):
            raise InvalidType(f"Trigger {self.name!r}: {name} must be a dict of str to str, not {texts!r}.")
        for key, value in texts.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise InvalidType(f"Trigger {self.name!r}: {name}[{key!r}] must be text, not {value!r}.")

    def _check_inputs(self) -> None:
        if not isinstance(self.inputs, Mapping | None):
            raise InvalidType(f"Trigger {self.name!r}: inputs must be a dict of names to values, not {self.inputs!r}.")
        by_artifact = isinstance(self.automation, OnArtifact)
        for key, value in (self.inputs or {}).items():
            if value is TriggerTime and by_artifact:
                raise InvalidValue(
                    f"Trigger {self.name!r} binds TriggerTime to input {key!r}, but its automation is no schedule."
                )
            if (value is TriggeredArtifact or isinstance(value, TriggeredPartition)) and not by_artifact:
                raise InvalidValue(
                    f"Trigger {self.name!r} binds {value!r} to input {key!r}, but its automation is not OnArtifact."
                )

    def __hash__(self) -> int:
        return hash((self.name, self.automation))

    def __repr__(self) -> str:
        shown = [repr(self.name), f"automation={self.automation!r}"]
        if self.inputs:
            shown.append(f"inputs={self.inputs!r}")
        return f"Trigger({', '.join(shown)})"

    @classmethod
    def _scheduled(
        cls, expression: str, input_key: str | None, inputs: dict[str, Any] | None, settings: dict[str, Any]
    ) -> Trigger:
        bound = {input_key: TriggerTime} if input_key is not None else {}
        merged = {**bound, **(inputs or {})}
        return cls(automation=Cron(expression), inputs=merged or None, **settings)

    @classmethod
    def minutely(
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "minutely",
        description: str = "A trigger that runs every minute",
        inputs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Trigger:
        """A trigger that fires every minute.

        Args:
            trigger_time_input_key: The input that gets the time, if any.
            settings: As for `Trigger`.
        """
        settings.update(name=name, description=description)
        return cls._scheduled("* * * * *", trigger_time_input_key, inputs, settings)

    @classmethod
    def hourly(
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "hourly",
        description: str = "A trigger that runs every hour",
        inputs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Trigger:
        """A trigger that fires at every full hour.

        Args:
            trigger_time_input_key: The input that gets the time, if any.
            settings: As for `Trigger`.
        """
        settings.update(name=name, description=description)
        return cls._scheduled("0 * * * *", trigger_time_input_key, inputs, settings)

    @classmethod
    def daily(
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "daily",
        description: str = "A trigger that runs daily at midnight",
        inputs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Trigger:
        """A trigger that fires every day at midnight, UTC.

        Args:
            trigger_time_input_key: The input that gets the time, if any.
            settings: As for `Trigger`.
        """
        settings.update(name=name, description=description)
        return cls._scheduled("0 0 * * *", trigger_time_input_key, inputs, settings)

    @classmethod
    def weekly(
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "weekly",
        description: str = "A trigger that runs weekly on Sundays at midnight",
        inputs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Trigger:
        """A trigger that fires on Sundays at midnight, UTC.

        Args:
            trigger_time_input_key: The input that gets the time, if any.
            settings: As for `Trigger`.
        """
        settings.update(name=name, description=description)
        return cls._scheduled("0 0 * * 0", trigger_time_input_key, inputs, settings)

    @classmethod
    def monthly(
        cls,
        trigger_time_input_key: str | None = None,
        *,
        name: str = "monthly",
        description: str = "A trigger that runs monthly on the 1st at midnight",
        inputs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Trigger:
        """A trigger that fires on the first of each month at midnight, UTC.

        Args:
            trigger_time_input_key: The input that gets the time, if any.
            settings: As for `Trigger`.
        """
        settings.update(name=name, description=description)
        return cls._scheduled("0 0 1 * *", trigger_time_input_key, inputs, settings)
