"""Whether a result is kept and reused, and what makes it stale."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from flyte.errors import InvalidType, InvalidValue

CacheBehavior: TypeAlias = Literal["auto", "override", "disable"]

_ALIASES: dict[str, CacheBehavior] = {
    "auto": "auto", "enable": "auto", "enabled": "auto", "on": "auto", "true": "auto", "yes": "auto",
    "override": "override",
    "disable": "disable", "disabled": "disable", "off": "disable", "false": "disable", "no": "disable",
    "none": "disable",
}  # fmt: skip


@dataclass
class VersionParameters:
    """What a cache policy may look at.

    Args:
        func: The task's function; None for a task without one.
        image: The task's image, where it is known.
        code_bundle: The code bundle, where it is known.
    """

    func: Callable[..., Any] | None
    image: Any = None
    code_bundle: Any = None


@runtime_checkable
class CachePolicy(Protocol):
    """Gives the part of a cache version that follows from code, image or whatever else it likes."""

    def get_version(self, salt: str, params: VersionParameters) -> str:
        """A text that changes when cached results must not be used any more."""
        ...


class FunctionBodyPolicy:
    """The version is a digest of the function's syntax tree: comments and layout do not matter."""

    def get_version(self, salt: str, params: VersionParameters) -> str:
        """See `CachePolicy`.

        Raises:
            InvalidValue: There is no function, or its source cannot be found.
        """
        if params.func is None:
            return ""
        return function_body_digest(params.func, salt)


def function_body_digest(func: Callable[..., Any], salt: str = "") -> str:
    """sha256 over the dump of the function's syntax tree, then the salt (sdk_surface §4.8).

    The dump differs between Python minors, and so does the digest.
    """
    try:
        tree = _tree_of(func)
    except (OSError, TypeError, SyntaxError) as e:
        name = getattr(func, "__qualname__", repr(func))
        raise InvalidValue(
            f"The source of {name} cannot be read, so its cache version cannot follow from its body. "
            "Give one: flyte.Cache('override', version_override='1')."
        ) from e
    return hashlib.sha256((ast.dump(tree) + salt).encode()).hexdigest()


def _tree_of(func: Callable[..., Any]) -> ast.Module:
    """The syntax tree of a function's own source.

    Raises:
        OSError: There is none, or what is found is another's: since Python 3.13 all code without a file
            counts as that of `python -c`.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(func)))
    code = getattr(inspect.unwrap(func), "__code__", None)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    if code is not None and code.co_name != "<lambda>" and code.co_name not in defined:
        raise OSError(f"The source found for {code.co_name} does not define it.")
    return tree


def _age(value: timedelta | int) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | timedelta):
        raise InvalidType(f"Cache(max_age=…) must be a timedelta or whole seconds, not {value!r}.")
    try:
        age = value if isinstance(value, timedelta) else timedelta(seconds=value)
    except OverflowError:
        raise InvalidValue(f"Cache(max_age=…) is longer than can be counted, got {value} seconds.") from None
    if age < timedelta(0):
        raise InvalidValue(f"Cache(max_age=…) must not be negative, got {age}.")
    return age


def _default_policies() -> list[CachePolicy]:
    return [FunctionBodyPolicy()]


@dataclass
class Cache:
    """Keep a task's results and reuse them for equal inputs.

    Args:
        behavior: `auto` (version from the policies), `override` (version given), `disable`.
        version_override: The version, for `override`.
        serialize: Of several equal actions at once, run one and let the others wait for its result.
        ignored_inputs: Inputs that do not count for equality.
        salt: A text that is mixed into the version.
        policies: Where the version comes from; by default the body of the function.
        max_age: How old a result may be, a timedelta or seconds; None for any age.

    Raises:
        InvalidType: A value has the wrong type.
        InvalidValue: An unknown behaviour or a negative age.
    """

    behavior: CacheBehavior
    version_override: str | None = None
    serialize: bool = False
    ignored_inputs: tuple[str, ...] | str = field(default_factory=tuple)
    salt: str = ""
    policies: list[CachePolicy] | CachePolicy | None = None
    max_age: timedelta | int | None = None

    def __post_init__(self) -> None:
        self.behavior = normalised_behavior(self.behavior)
        if self.max_age is not None:
            self.max_age = _age(self.max_age)
        if not isinstance(self.salt, str) or not isinstance(self.version_override, str | None):
            raise InvalidType("Cache(salt=…) and Cache(version_override=…) must be text.")
        names = self.ignored_inputs
        if not isinstance(names, str | tuple | list) or not all(isinstance(name, str) for name in names):
            raise InvalidType(f"Cache(ignored_inputs=…) must be names of inputs, not {names!r}.")
        if self.policies is None:
            self.policies = _default_policies()
        elif not isinstance(self.policies, list):
            self.policies = [self.policies]
        for policy in self.policies:
            if not isinstance(policy, CachePolicy):
                raise InvalidType(f"Cache(policies=…) must have a method get_version(salt, params), not {policy!r}.")

    def is_enabled(self) -> bool:
        """True unless the behaviour is `disable`."""
        return self.behavior != "disable"

    def get_ignored_inputs(self) -> tuple[str, ...]:
        """The ignored inputs as a tuple."""
        return (self.ignored_inputs,) if isinstance(self.ignored_inputs, str) else tuple(self.ignored_inputs)

    def get_version(self, params: VersionParameters | None = None) -> str:
        """The cache version: the override, or a digest over what the policies say.

        A code bundle that is a pickle has its own version, because its source is not at hand.
        """
        if not self.is_enabled():
            return ""
        if self.version_override is not None:
            return self.version_override
        if params is None:
            raise InvalidValue("Cache.get_version() needs the parameters that its policies look at.")
        bundle = params.code_bundle
        if bundle is not None and getattr(bundle, "pkl", None):
            return str(bundle.computed_version)
        policies = self.policies if isinstance(self.policies, list) else [self.policies]
        versions = [policy.get_version(self.salt, params) for policy in policies if policy is not None]
        return hashlib.sha256("".join(versions).encode()).hexdigest()


CacheRequest: TypeAlias = CacheBehavior | Cache


def normalised_behavior(text: object) -> CacheBehavior:
    """One of the three behaviours, from any of their accepted spellings."""
    if not isinstance(text, str) or text.lower() not in _ALIASES:
        raise InvalidValue(f"cache={text!r} is not known. Use 'auto', 'override', 'disable' or a flyte.Cache(…).")
    return _ALIASES[text.lower()]


def as_cache(request: CacheRequest | None) -> Cache:
    """A bare behaviour as a `Cache`.

    Raises:
        InvalidType: Neither a text nor a Cache.
    """
    if request is None:
        return Cache("disable")
    if isinstance(request, Cache):
        return request
    if isinstance(request, str):
        return Cache(normalised_behavior(request))
    raise InvalidType(f"cache must be 'auto', 'override', 'disable' or a flyte.Cache, not {request!r}.")
