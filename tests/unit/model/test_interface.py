"""Inputs and outputs, read off a function; arguments bound to them; values handed back."""

from __future__ import annotations

import collections
import inspect
import typing
from typing import Annotated, Any, Literal, NamedTuple

import pytest

from flyte.errors import InvalidType, InvalidValue, RuntimeDataValidationError
from flyte.model.interface import NativeInterface, extract_return_annotation, has_default, is_union
from flyte.model.outcome import ActionOutputs, as_return_value, as_text, returned_values

if typing.TYPE_CHECKING:
    from decimal import Decimal

Plain = collections.namedtuple("Plain", ["a", "b"])


class Pair(NamedTuple):
    number: int
    text: str


def of(func: Any) -> NativeInterface:
    return NativeInterface.from_callable(func)


def test_hints_and_defaults_are_read_though_they_are_text() -> None:
    def f(a: int, b: list[str] | None = None, *, c: float = 1.5) -> dict[str, int]: ...

    interface = of(f)
    assert list(interface.inputs) == ["a", "b", "c"]
    assert interface.get_input_types() == {"a": int, "b": list[str] | None, "c": float}
    assert interface.required_inputs() == ["a"]
    assert interface.num_required_inputs() == 1
    assert interface.inputs["c"] == (float, 1.5)
    assert interface.outputs == {"o0": dict[str, int]}
    assert repr(interface) == "(a: int, b: list[str] | None = None, c: float = 1.5) -> o0: dict[str, int]"


def test_annotations_and_literals_are_kept() -> None:
    def f(a: Annotated[int, "unit"], b: Literal["x", "y"] = "x") -> Annotated[str, "z"]: ...

    interface = of(f)
    assert interface.inputs == {"a": (Annotated[int, "unit"], inspect.Parameter.empty), "b": (Literal["x", "y"], "x")}
    assert interface.outputs == {"o0": Annotated[str, "z"]}


def test_an_input_without_a_hint_may_be_anything() -> None:
    def f(a, b=1): ...

    assert of(f).get_input_types() == {"a": inspect.Parameter.empty, "b": inspect.Parameter.empty}
    assert repr(of(f)) == "(a, b = 1) -> None"
    assert not of(f).has_outputs()


@pytest.mark.parametrize(
    ("annotation", "outputs"),
    [
        (None, {}), (type(None), {}), (typing.NoReturn, {}), (typing.Never, {}), (int, {"o0": int}),
        (tuple[int, str], {"o0": int, "o1": str}), ((int, str), {"o0": int, "o1": str}), (tuple, {"o0": tuple}),
        (Pair, {"number": int, "text": str}), (Plain, {"a": Any, "b": Any}),
        (tuple[int, str] | None, {"o0": tuple[int, str] | None}), (list[int], {"o0": list[int]}), (Any, {"o0": Any}),
    ],
)  # fmt: skip
def test_outputs_follow_from_the_return_annotation(annotation: Any, outputs: dict[str, Any]) -> None:
    assert extract_return_annotation(annotation) == outputs


@pytest.mark.parametrize("annotation", [tuple[int], tuple[int, ...], tuple[()]])
def test_a_tuple_whose_length_is_in_doubt_is_refused(annotation: Any) -> None:
    with pytest.raises(InvalidType, match=r"f returns tuple\[.*write tuple\[A, B\] for several outputs"):
        extract_return_annotation(annotation, "f")


def star(*args: int) -> None: ...
def double_star(**kwargs: int) -> None: ...
def positional(x: int, /) -> None: ...
def hidden(x: Decimal) -> None: ...
def unknown(x: "Nope") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037
def broken(x: "list[int") -> None: ...  # type: ignore[syntax]  # noqa: F722
def impossible(x: "1 | 'a'") -> None: ...  # type: ignore[valid-type]  # noqa: F821, UP037


@pytest.mark.parametrize(
    ("func", "sentence"),
    [
        (star, "Function star cannot have variable positional or keyword arguments (*args, **kwargs): name each"),
        (double_star, "Function double_star cannot have variable positional or keyword arguments"),
        (positional, "Function positional has the positional-only parameter 'x', and inputs are handed over by name."),
        (hidden, "A type hint of hidden names 'Decimal', which is not defined where the function is. Import or define"),
        (unknown, "A type hint of unknown names 'Nope'"),
        (broken, "A type hint of broken cannot be evaluated"),
        (impossible, "A type hint of impossible cannot be evaluated"),
    ],
)
def test_a_signature_that_cannot_be_a_tasks_is_refused(func: Any, sentence: str) -> None:
    with pytest.raises(InvalidValue) as e:
        of(func)
    assert sentence in str(e.value)


def example(a: int, b: int = 2) -> int: ...


@pytest.mark.parametrize(
    ("args", "kwargs", "sentence"),
    [
        ((1, 2, 3), {}, "Too many positional arguments: 3 given, and there are 2 inputs (a, b)."),
        ((1,), {"c": 1}, "Too many keyword arguments: no input is called 'c' (a, b)."),
        ((1,), {"a": 1}, "Input 'a' was given twice, by position and by name."),
        ((), {"b": 1}, "Missing required inputs: a."),
    ],
)
def test_arguments_that_do_not_fit_are_named(args: tuple[int, ...], kwargs: dict[str, int], sentence: str) -> None:
    with pytest.raises(InvalidValue) as e:
        of(example).convert_to_kwargs(*args, **kwargs)
    assert sentence in str(e.value)


def test_a_task_without_inputs_takes_none() -> None:
    with pytest.raises(InvalidValue, match=r"Too many keyword arguments: no input is called 'x' \(the task takes none"):
        NativeInterface({}, {}).convert_to_kwargs(x=1)


def test_arguments_are_bound_in_declared_order() -> None:
    interface = of(example)
    assert interface.convert_to_kwargs(1, b=5) == {"a": 1, "b": 5}
    assert list(interface.with_defaults(interface.convert_to_kwargs(b=5, a=1))) == ["a", "b"]
    assert interface.with_defaults({"a": 1}) == {"a": 1, "b": 2}


def test_an_interface_of_types_may_leave_defaults_to_the_backend() -> None:
    interface = NativeInterface.from_types({"a": (int, has_default)}, {"o0": int}, {"a": "literal"})
    assert interface.required_inputs() == []
    with pytest.raises(InvalidValue, match="Input 'a' is marked to have a default, but default_inputs has none"):
        NativeInterface.from_types({"a": (int, has_default)}, {})


def test_unions_are_known_in_both_spellings() -> None:
    assert is_union(int | None)
    assert is_union(typing.Optional[int])  # noqa: UP045
    assert not is_union(list[int])


def test_values_are_handed_back_by_output() -> None:
    two = NativeInterface({}, {"o0": int, "o1": str})
    assert returned_values(two, (1, "a"), "t") == {"o0": 1, "o1": "a"}
    assert returned_values(NativeInterface({}, {"o0": tuple}), (1, 2), "t") == {"o0": (1, 2)}
    named = NativeInterface({}, extract_return_annotation(Pair))
    assert returned_values(named, Pair(1, "a"), "t") == {"number": 1, "text": "a"}
    assert returned_values(NativeInterface({}, {}), None, "t") == {}
    assert as_return_value(two, (1, "a")) == (1, "a")
    assert as_return_value(NativeInterface({}, {"o0": int}), (1,)) == 1
    assert as_return_value(NativeInterface({}, {}), ()) is None


@pytest.mark.parametrize(
    ("outputs", "result", "sentence"),
    [
        (
            {},
            1,
            "The task returned a int, but its signature promises nothing. Give it a return annotation, `-> int` say",
        ),
        ({"o0": int, "o1": int}, 1, "The signature promises 2 outputs, and the task returned a int."),
        ({"o0": int, "o1": int}, (1, 2, 3), "The signature promises 2 outputs, and the task returned 3 values."),
    ],
)
def test_a_result_that_was_not_promised_is_refused(outputs: dict[str, Any], result: Any, sentence: str) -> None:
    with pytest.raises(RuntimeDataValidationError) as e:
        returned_values(NativeInterface({}, outputs), result, "env.t")
    assert sentence in str(e.value)
    assert "task env.t" in str(e.value)


def test_outputs_are_a_tuple_with_names() -> None:
    outputs = ActionOutputs(None, (1, "a"), ["number", "text"])
    assert outputs == (1, "a")
    assert (outputs.number, outputs.o1) == (1, "a")
    assert outputs.named_outputs == {"number": 1, "text": "a"}
    assert repr(outputs) == "ActionOutputs(number=1, text='a')"
    with pytest.raises(AttributeError, match="There is no output 'x'; there are number, text"):
        _ = outputs.x


def test_a_run_is_printed_as_its_value() -> None:
    assert as_text(("a",), 1) == "a"
    assert as_text((1, "a"), 2) == "(1, 'a')"
    assert as_text((), 0) == "None"
