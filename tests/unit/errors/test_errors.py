"""The tree of exceptions; errors that survive a pickle; classes that follow from codes."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from flyte import errors

CLASSES = sorted(
    (
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, BaseException) and value.__name__[0] != "_"
    ),
    key=lambda value: value.__name__,
)


def test_every_exception_is_in_the_tree_of_the_docstring() -> None:
    told = errors.__doc__ or ""
    kinds_of_apple = {value for value in CLASSES if issubclass(value, errors.AppleSiliconError)}
    assert len(CLASSES) > 50
    assert not [value.__name__ for value in CLASSES if value not in kinds_of_apple and value.__name__ not in told]


def test_the_tree_is_loaded_without_any_other_part() -> None:
    program = "import sys, flyte.errors; print([m for m in sys.modules if m.startswith('flyte.')])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert eval(loaded) == ["flyte.errors"]


@pytest.mark.parametrize(
    "error",
    [
        errors.FlyteError("m", code="c", hint="h"),
        errors.InvalidValue("m"),
        errors.RpcError("m", code="not_found"),
        errors.RuntimeUserError("ValueError", "m", "worker"),
        errors.RuntimeDataValidationError("x", "wrong", "env.t"),
        errors.GPUFaultUserError("GpuXidError", "m", fault_kind="xid", fault_code=79),
        errors.MaxRuntimeExceededError("m"),
        errors.InvalidPackageError("a", "no"),
        errors.CustomError.from_exception(ValueError("m")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_back_from_a_pickle_as_it_was(error: errors.FlyteError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))


@pytest.mark.parametrize(
    ("code", "kind", "expected", "said"),
    [
        ("ValueError", "user", errors.RuntimeUserError, "ValueError"),
        ("OOMKilled", "user", errors.OOMError, "OOMKilled"),
        ("RetriesExhausted|ValueError", "user", errors.RetriesExhaustedError, "ValueError"),
        ("GpuXidError", "user", errors.GPUFaultUserError, "GpuXidError"),
        ("GpuXidError", "system", errors.GPUFaultSystemError, "GpuXidError"),
        ("GpuXidError", "unknown", errors.RuntimeUnknownError, "GpuXidError"),
        ("Evicted|ValueError", "system", errors.RuntimeSystemError, "ValueError"),
        ("", "unknown", errors.RuntimeUnknownError, ""),
    ],
)
def test_the_class_of_a_failed_child_follows_from_its_code(
    code: str, kind: errors.ErrorKind, expected: type[errors.BaseRuntimeError], said: str
) -> None:
    error = errors.from_code(code, kind, "m", "w")
    assert type(error) is expected
    assert (error.code or "", error.kind, error.worker, str(error)) == (said or type(error).__name__, kind, "w", "m")


def test_arithmetic_with_an_error_raises_it() -> None:
    with pytest.raises(errors.RuntimeUserError, match="m"):
        sum([1, errors.RuntimeUserError("ValueError", "m")])  # type: ignore[list-item]
