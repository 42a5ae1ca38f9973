"""Environments and the tasks declared in them."""

from __future__ import annotations

import functools
import gc
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import pytest

import flyte
from flyte.authoring.environment import loaded_environments
from flyte.errors import FeatureNotAvailable, InvalidName, InvalidType, InvalidValue
from flyte.model.image import default_image_uri

TaskEnvironment = flyte.TaskEnvironment


class Console:
    """A link."""

    name = "console"
    icon_uri = ""

    def get_link(self, **_: Any) -> str:
        return "https://example.com"


@pytest.fixture
def env() -> flyte.TaskEnvironment:
    return TaskEnvironment("env")


async def add(a: int, b: int = 2) -> int:
    """Add two numbers.

    Both of them.

    Args:
        a: The first.
        b: The second.

    Returns:
        Their sum.
    """
    return a + b


@pytest.mark.parametrize("name", ["a", "my_env", "my-env2", "0a"])
def test_names_in_snake_or_kebab_case_are_taken(name: str) -> None:
    assert TaskEnvironment(name).name == name


@pytest.mark.parametrize("name", ["", "A", "my.env", "a__b", "_a", "a-", "a b", "é", "a\n", None, 3])
def test_other_names_are_refused(name: Any) -> None:
    with pytest.raises(InvalidName, match=r"Environment name .* must be in snake_case or kebab-case format"):
        TaskEnvironment(name)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"image": 3}, "Environment 'e': image must be a str or a flyte.Image, not 3."),
        ({"secrets": 3}, "secrets must be names or flyte.Secret objects, not 3."),
        ({"secrets": [3]}, "secrets must be names or flyte.Secret objects, not 3."),
        ({"depends_on": ["x"]}, "Environment 'e' cannot depend on 'x', which is not an environment."),
        ({"depends_on": "x"}, "depends_on must be a list of environments, not 'x'."),
        ({"resources": "2"}, "resources must be a flyte.Resources, not '2'."),
        ({"env_vars": "A=b"}, "env_vars must be a dict of str to str, not 'A=b'."),
        ({"env_vars": {"A": 1}}, "Environment 'e': env_vars['A'] must be text, not 1."),
        ({"pod_template": 3}, "pod_template must be a name or a flyte.PodTemplate, not 3."),
        ({"service_account": 3}, "service_account must be a str, not 3."),
        ({"reusable": 3}, "reusable must be a flyte.ReusePolicy, not 3."),
        ({"cache": 3}, "cache must be a behaviour or a flyte.Cache, not 3."),
        ({"include": "data"}, "include must be several paths: include=('data',)."),
        ({"queue": 3}, "queue must be a str, not 3."),
        ({"description": 3}, "description must be a str, not 3."),
        ({"interruptible": "yes"}, "interruptible must be True or False, not 'yes'."),
    ],
)
def test_a_setting_of_the_wrong_type_is_named(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidType) as e:
        TaskEnvironment("e", **settings)
    assert sentence in str(e.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"cache": "sometimes"}, "cache='sometimes' is not known"),
        ({"env_vars": {"A=B": "c"}}, "Environment 'e': 'A=B' cannot be an environment variable."),
        ({"env_vars": {"A": "c\0"}}, "'A' cannot be an environment variable."),
        ({"reusable": flyte.ReusePolicy(), "plugin_config": 3}, "cannot be reusable and have a plugin_config."),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValue) as e:
        TaskEnvironment("e", **settings)
    assert sentence in str(e.value)


def test_a_plugin_config_names_what_is_missing() -> None:
    with pytest.raises(FeatureNotAvailable, match=r"Environment 'e': no task plug-in is registered for .*\.Console;"):
        TaskEnvironment("e", plugin_config=Console())


def test_long_descriptions_are_shortened_and_say_so() -> None:
    assert TaskEnvironment("e", description="x" * 255).description == "x" * 255
    assert TaskEnvironment("e", description="x" * 256).description == "x" * 247 + "...(tr.)"


def test_environments_are_known_in_the_order_of_declaration() -> None:
    first, second = TaskEnvironment("first"), TaskEnvironment("second")
    known = loaded_environments()
    assert known.index(first) < known.index(second)
    assert str(first.declared_in) == __file__


def test_an_environment_lives_as_long_as_one_of_its_tasks() -> None:
    def declared() -> tuple[Any, Any]:
        inner = TaskEnvironment("short-lived")
        return inner.task(add), inner.task(add).override(retries=1)

    task, other = declared()
    gc.collect()
    assert task.parent_env().name == other.parent_env().name == "short-lived"
    del task, other
    gc.collect()
    assert "short-lived" not in [known.name for known in loaded_environments()]


def test_dependencies_are_added_once() -> None:
    first, second = TaskEnvironment("first"), TaskEnvironment("second")
    first.add_dependency(second, second)
    first.add_dependency(second)
    assert first.depends_on == [second]
    with pytest.raises(InvalidValue, match="Environment 'first' cannot depend on itself"):
        first.add_dependency(first)
    with pytest.raises(InvalidType, match="Environment 'first' cannot depend on 'x', which is not an environment"):
        first.add_dependency("x")  # type: ignore[arg-type]


def test_a_clone_has_the_settings_and_not_the_tasks() -> None:
    base = TaskEnvironment("base")
    env = TaskEnvironment(
        "env", depends_on=[base], env_vars={"A": "1"}, cache="auto", queue="q", interruptible=True, description="d"
    )
    env.task(add)
    clone = env.clone_with("clone", "python:3.12", resources=flyte.Resources(cpu=1), include=("x",))
    assert type(clone) is TaskEnvironment
    assert (clone.name, clone.image, clone.cache, clone.queue) == ("clone", "python:3.12", "auto", "q")
    assert (clone.interruptible, clone.include, clone.env_vars) == (True, ("x",), {"A": "1"})
    assert clone.tasks == {}
    clone.depends_on.clear()
    assert env.depends_on == [base]
    with pytest.raises(TypeError, match=r"Unexpected keyword arguments: \['foo'\]\. TaskEnvironment has: cache, "):
        env.clone_with("x", foo=1)
    with pytest.raises(InvalidName):
        env.clone_with("X")


def test_tasks_made_without_an_environment_get_one() -> None:
    def free(name: str, **more: Any) -> Any:
        interface = flyte.models.NativeInterface.from_callable(add)
        return flyte.TaskTemplate(name=name, interface=interface, **more)

    one, two = free("one"), free("two")
    env = TaskEnvironment.from_task("joint", one, two, depends_on=[TaskEnvironment("base")])
    assert list(env.tasks) == ["joint.one", "joint.two"]
    assert one.parent_env() is env
    assert [other.name for other in env.depends_on] == ["base"]
    with pytest.raises(InvalidValue, match=r"Task joint\.one belongs to environment 'joint' already"):
        TaskEnvironment.from_task("again", one)
    with pytest.raises(InvalidValue, match="The tasks of environment 'x' must share one image"):
        TaskEnvironment.from_task("x", free("a", image="x"), free("b", image="y"))


def test_a_task_has_the_settings_of_its_environment_and_its_own() -> None:
    env = TaskEnvironment(
        "env", resources=flyte.Resources(cpu=1), env_vars={"A": "1"}, secrets="key", cache="auto", interruptible=True,
        queue="q", service_account="sa", pod_template="pt",
    )  # fmt: skip
    plain = env.task(add)
    assert plain.name == "env.add"
    assert (plain.short_name, plain.task_type, plain.max_inline_io_bytes) == ("add", "python", 10 * 1024 * 1024)
    assert plain.image == default_image_uri()
    assert (plain.resources, plain.env_vars, plain.secrets) == (env.resources, env.env_vars, env.secrets)
    assert (plain.interruptible, plain.queue, plain.service_account, plain.pod_template) == (True, "q", "sa", "pt")
    assert plain.cache.behavior == "auto"
    assert plain.retries == flyte.RetryStrategy(0)
    assert plain.parent_env() is env
    assert env.tasks == {"env.add": plain}
    daily = flyte.Trigger.daily()
    own = env.task(
        short_name="short", cache="disable", retries=3, timeout=5, docs=flyte.Documentation("d"), pod_template="own",
        report=True, interruptible=False, max_inline_io_bytes=1, queue="other", service_account="other",
        triggers=daily, links=Console(), entrypoint=True, produces_artifacts=True,
    )(add)  # fmt: skip
    assert (own.short_name, own.cache.behavior, own.retries.count, own.timeout) == ("short", "disable", 3, 5)
    assert (own.pod_template, own.interruptible, own.queue, own.service_account) == ("own", False, "other", "other")
    assert (own.triggers, own.entrypoint, own.produces_artifacts, own.report) == ((daily,), True, True, True)
    assert [link.name for link in own.links] == ["console"]


def generator() -> int:
    yield 1


async def async_generator() -> int:
    yield 1


def scheduled(at: datetime = flyte.TriggerTime) -> None: ...


class Callable_:
    def __call__(self, x: int) -> int:
        return x


@pytest.mark.parametrize(
    ("func", "sentence"),
    [
        (3, "A task of environment 'env' is made of a function, not of 3."),
        (int, "is made of a function, not of <class 'int'>."),
        (Callable_(), "is made of a function, not of "),
        (functools.partial(add, 1), "is made of a function, not of functools.partial("),
        (generator, "Task generator is a generator. Return a list instead of yielding."),
        (async_generator, "Task async_generator is a generator."),
        (TaskEnvironment("other").task(add), "other.add is a task already; decorate the plain function."),
        (
            scheduled,
            "Input 'at' of env.scheduled has TriggerTime as its default. Bind it in the trigger: flyte.Trigger(",
        ),
    ],
)
def test_what_is_not_a_plain_function_is_refused(env: flyte.TaskEnvironment, func: Any, sentence: str) -> None:
    with pytest.raises((InvalidType, InvalidValue)) as e:
        env.task(func)
    assert sentence in str(e.value)
    assert env.tasks == {}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"retries": "3"}, "retries must be a whole number or a RetryStrategy, not '3'."),
        ({"retries": -1}, "retries must be between 0 and 1,000,000, got -1."),
        ({"timeout": "5m"}, "timeout must be a timedelta or a number of seconds, not '5m'."),
        ({"timeout": -1}, "timeout must not be negative"),
        ({"cache": "x"}, "cache='x' is not known."),
        ({"cache": 3}, "cache must be 'auto', 'override', 'disable' or a flyte.Cache, not 3."),
        ({"short_name": "x" * 64}, "Task env.add: short_name 'xxxx"),
        ({"short_name": 3}, "Task env.add: short_name must be a str, not 3."),
        ({"docs": "text"}, "Task env.add: docs must be a flyte.Documentation, not 'text'."),
        ({"report": 1}, "report must be True or False, not 1."),
        ({"queue": 3}, "queue must be a str, not 3."),
        ({"pod_template": 3}, "pod_template must be a name or a flyte.PodTemplate, not 3."),
        ({"max_inline_io_bytes": 0}, "max_inline_io_bytes must be at least 1, got 0."),
        ({"max_inline_io_bytes": "1"}, "max_inline_io_bytes must be a number of bytes, not '1'."),
        ({"triggers": "daily"}, "Task env.add: triggers must be flyte.Trigger objects, not 'daily'."),
        ({"triggers": (flyte.Trigger.daily(), flyte.Trigger.daily())}, "Task env.add has two triggers called 'daily'."),
        ({"links": "x"}, "Task env.add: a link needs name, icon_uri and get_link(…), which 'x' has not."),
    ],
)
def test_a_wrong_setting_of_a_task_is_named(
    env: flyte.TaskEnvironment, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises((InvalidType, InvalidValue)) as e:
        env.task(**settings)(add)
    assert sentence in str(e.value)
    assert env.tasks == {}


def test_a_resolver_of_ones_own_is_not_available(env: flyte.TaskEnvironment) -> None:
    with pytest.raises(FeatureNotAvailable, match="a task_resolver of one's own is not available yet"):
        env.task(task_resolver=object())


def test_workers_that_are_shared_cannot_differ_by_task() -> None:
    env = TaskEnvironment("warm", reusable=flyte.ReusePolicy())
    for settings in ({"pod_template": "x"}, {"service_account": "x"}):
        with pytest.raises(InvalidValue, match="Environment 'warm' is reusable, so its workers are shared: set pod_"):
            env.task(**settings)


def test_several_actions_in_one_worker_must_be_asynchronous() -> None:
    env = TaskEnvironment("warm", reusable=flyte.ReusePolicy(concurrency=2))

    def work() -> None: ...

    with pytest.raises(InvalidValue, match=r"Task warm\.work is synchronous, .* runs 2 actions .*`async def work`"):
        env.task(work)
    assert env.task(add).reusable is env.reusable


def test_an_input_without_a_type_gets_one_warning(env: flyte.TaskEnvironment, caplog: pytest.LogCaptureFixture) -> None:
    def loose(a, b: int = 1, *, c: Any = None) -> int:
        return b

    with caplog.at_level(logging.WARNING, "flyte"):
        env.task(loose)
    assert [record.getMessage() for record in caplog.records] == [
        "Input 'a' of task env.loose has no type hint: its values will be pickled. Give it a type."
    ]


def test_a_docstring_describes_the_task_and_its_inputs(env: flyte.TaskEnvironment) -> None:
    docstring = env.task(add).interface.docstring
    assert docstring.short_description == "Add two numbers."
    assert docstring.long_description == "Both of them."
    assert docstring.input_descriptions == {"a": "The first.", "b": "The second."}
    assert docstring.output_descriptions == {"o0": "Their sum."}

    def bare() -> None: ...

    assert env.task(bare).interface.docstring is None


@pytest.mark.parametrize(
    "text",
    ["Do it.\n\n:param a: The first.\n", "Do it.\n\nParameters\n----------\na : int\n    The first.\n"],
)
def test_docstrings_of_other_styles_are_read_too(text: str) -> None:
    docstring = flyte.models.Docstring(text)
    assert docstring.short_description == "Do it."
    assert docstring.input_descriptions == {"a": "The first."}
    assert flyte.models.Docstring(None).input_descriptions == {}
    assert flyte.models.Docstring("").output_descriptions == {}


class Split(NamedTuple):
    train: list[int]
    test: list[int]


def test_named_outputs_are_the_fields_of_a_named_tuple(env: flyte.TaskEnvironment) -> None:
    def split(values: list[int]) -> Split:
        return Split(values[:1], values[1:])

    assert env.task(split).interface.outputs == {"train": list[int], "test": list[int]}


def test_a_wrapped_function_keeps_its_signature(env: flyte.TaskEnvironment) -> None:
    def logged(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return func(*args, **kwargs)

        return wrapper

    @env.task
    @logged
    def double(x: int) -> int:
        return 2 * x

    assert list(double.interface.inputs) == ["x"]
    assert double(4) == 8


def test_a_sandbox_is_not_available(env: flyte.TaskEnvironment) -> None:
    with pytest.raises(FeatureNotAvailable, match=r"docs/compatibility\.md"):
        _ = env.sandbox
