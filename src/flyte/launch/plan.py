"""What is to be deployed: environments with everything they depend on, in order. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flyte.authoring.environment import Environment, TaskEnvironment
from flyte.errors import InvalidType, InvalidValue


def closure(env: Environment) -> list[Environment]:
    """An environment and all that it depends on, itself first, depth first.

    Raises:
        InvalidValue: Two different environments have one name.
    """
    found: dict[str, Environment] = {}

    def visit(current: Environment) -> None:
        known = found.get(current.name)
        if known is current:
            return
        if known is not None:
            raise InvalidValue(
                f"Duplicate environment name {current.name!r}: two environments have it"
                f"{_where(known, current)}. Give one of them another name."
            )
        found[current.name] = current
        for dependency in current.depends_on:
            visit(dependency)

    visit(env)
    return list(found.values())


def _where(a: Environment, b: Environment) -> str:
    places = sorted({str(env.declared_in) for env in (a, b) if env.declared_in is not None})
    return f" (in {' and '.join(places)})" if places else ""


def plans(envs: Sequence[Environment]) -> list[list[Environment]]:
    """One plan for each environment that no earlier plan covers.

    Raises:
        InvalidType: Something is not an environment.
        InvalidValue: Two different environments have one name.
    """
    result: list[list[Environment]] = []
    by_name: dict[str, Environment] = {}
    for env in envs:
        if not isinstance(env, Environment):
            raise InvalidType(f"flyte.deploy takes environments, not {env!r}.")
        if any(env in plan for plan in result):
            continue
        plan = closure(env)
        for member in plan:
            known = by_name.setdefault(member.name, member)
            if known is not member:
                raise InvalidValue(
                    f"Duplicate environment name {member.name!r}: two environments have it{_where(known, member)}. "
                    "Give one of them another name."
                )
        result.append(plan)
    return result


def tasks_of(plan: Sequence[Environment]) -> list[Any]:
    """Every task of a plan."""
    return [task for env in plan if isinstance(env, TaskEnvironment) for task in env.tasks.values()]
