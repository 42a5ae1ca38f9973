"""Words that end up in an image: package requirements, addresses, names. Each is checked when it is declared.

What is accepted here can be handed to an installer as one argument, or written into a build recipe: it holds no
line break, no shell syntax, and does not begin with a dash.
"""

from __future__ import annotations

import logging
import re

from flyte.errors import InvalidName, InvalidType, InvalidValue

log = logging.getLogger("flyte")

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = r"(?:\s*\[\s*[A-Za-z0-9._-]+(?:\s*,\s*[A-Za-z0-9._-]+)*\s*\])?"
_ONE_VERSION = r"(?:===?|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+"
_VERSIONS = rf"{_ONE_VERSION}(?:\s*,\s*{_ONE_VERSION})*"
_MARKER_NAME = (
    r"(?:python_version|python_full_version|os_name|sys_platform|platform_release|platform_system|platform_version|"
    r"platform_machine|platform_python_implementation|implementation_name|implementation_version|extra)"
)
_MARKER_VALUE = rf"(?:{_MARKER_NAME}|'[\w .+*-]*'|\"[\w .+*-]*\")"
_MARKER_TERM = rf"\(*\s*{_MARKER_VALUE}\s*(?:===?|~=|!=|<=|>=|<|>|not\s+in|in)\s*{_MARKER_VALUE}\s*\)*"
_MARKER = rf"{_MARKER_TERM}(?:\s+(?:and|or)\s+{_MARKER_TERM})*"
_URL = r"(?:git\+)?(?:https?|ssh|file)://[A-Za-z0-9._~:/?#@!%+=,&\[\]-]+"

_REQUIREMENT = re.compile(rf"({_NAME}){_EXTRAS}\s*(?:\(\s*{_VERSIONS}\s*\)|{_VERSIONS})?\s*(?:;\s*{_MARKER}\s*)?")
_AT_ADDRESS = re.compile(rf"(?:{_NAME}{_EXTRAS}\s*@\s*)?{_URL}(?:\s+;\s*{_MARKER}\s*)?")
_GIT_OPTION = re.compile(r"://[^#]*@-")
_APT = re.compile(r"[a-z0-9][a-z0-9+.-]*(?::[a-z0-9]+)?(?:=[A-Za-z0-9.+~:*-]+|/[a-z0-9][a-z0-9.-]*)?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMAGE = re.compile(r"(?:env://)?[A-Za-z0-9][A-Za-z0-9._-]*(?::\d+)?(?:[/:@][A-Za-z0-9][A-Za-z0-9._-]*)*")
_REGISTRY = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_IMAGE_NAME = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!%+=,&\[\]$-]+")
_SHELL = re.compile(r"[;&|<>`$\\\r\n\0]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_RENAMED = {"sklearn": "scikit-learn"}
"""Names that people write, and that are not the name of the package."""

_warned: set[str] = set()


def python_package(text: str) -> str:
    """A requirement as pip reads it: `pandas`, `torch>=2,<3`, `x[y]; python_version < "3.12"`, `x @ https://…`.

    The import name `sklearn` is answered with the package's name, scikit-learn, and one warning in the log.

    Raises:
        InvalidValue: It is none of these; options like `--index-url` have parameters of their own.

    Example:
        >>> python_package("pandas>=2")
        'pandas>=2'
    """
    if not isinstance(text, str):
        raise InvalidType(f"A Python package must be a str, not {text!r}.")
    word = text.strip()
    if word.startswith("-"):
        raise InvalidValue(
            f"Python package {text!r} looks like an option of the installer. Use the parameters index_url, "
            "extra_index_urls, pre and extra_args."
        )
    if _AT_ADDRESS.fullmatch(word):
        if _GIT_OPTION.search(word):
            raise InvalidValue(f"Python package {text!r} names a version that begins with '-', which git would obey.")
        return word
    match = _REQUIREMENT.fullmatch(word)
    if match is None:
        raise InvalidValue(
            f"{text!r} is not a Python package. Write a name and versions ('pandas>=2,<3'), one package per argument."
        )
    name = match[1]
    right = _RENAMED.get(name.lower())
    if right is None:
        return word
    if name not in _warned:
        _warned.add(name)
        log.warning("The package of the module %s is called %s: that is what the image gets.", name, right)
    return right + word[len(name) :]


def system_package(text: str) -> str:
    """A Debian package, with `=version` where it matters.

    Raises:
        InvalidValue: It is not the name of a package.
    """
    if not isinstance(text, str) or not _APT.fullmatch(text):
        raise InvalidValue(
            f"{text!r} is not a system package. Write names as apt knows them ('git', 'curl=7.88.1-10'), "
            "one per argument."
        )
    return text


def variable_name(text: str) -> str:
    """The name of an environment variable.

    Raises:
        InvalidName: It is not letters, digits and '_', beginning with no digit.
    """
    if not isinstance(text, str) or not _ENV_NAME.fullmatch(text):
        raise InvalidName(f"{text!r} is not the name of an environment variable: use letters, digits and '_'.")
    return text


def one_line(text: str, what: str) -> str:
    """A text without line breaks and other control characters, which would become instructions of their own.

    Raises:
        InvalidType: It is not text.
        InvalidValue: It holds a control character.
    """
    if not isinstance(text, str):
        raise InvalidType(f"{what} must be a str, not {text!r}.")
    if _CONTROL.search(text):
        raise InvalidValue(f"{what} must be one line without control characters, got {text!r}.")
    return text


def image_address(text: str) -> str:
    """The address of an image, `registry/name:tag` say.

    Raises:
        InvalidValue: It is not an address.
    """
    if not isinstance(text, str) or not _IMAGE.fullmatch(text):
        raise InvalidValue(f"{text!r} is not the address of an image. Write it as 'registry/name:tag'.")
    return text


def registry(text: str) -> str:
    """A registry, `ghcr.io/owner` say.

    Raises:
        InvalidValue: It is not a host with folders.
    """
    if not isinstance(text, str) or not _REGISTRY.fullmatch(text):
        raise InvalidValue(f"registry={text!r} is not a registry. Write it as 'ghcr.io/owner', without a scheme.")
    return text


def image_name(text: str) -> str:
    """The name of an image within its registry.

    Raises:
        InvalidName: It has other characters than lower-case letters, digits, '.', '_' and '-'.
    """
    if not isinstance(text, str) or not _IMAGE_NAME.fullmatch(text):
        raise InvalidName(f"Image name {text!r} must be lower-case letters and digits, joined by '.', '_' or '-'.")
    return text


def web_address(text: str, what: str) -> str:
    """An `http` or `https` address.

    Raises:
        InvalidValue: It is not one.
    """
    if not isinstance(text, str) or not _ADDRESS.fullmatch(text):
        raise InvalidValue(f"{what}={text!r} must be an http or https address.")
    return text


def installer_options(text: str) -> str:
    """Further options for an installer, separated by blanks.

    Raises:
        InvalidValue: It holds shell syntax or a line break.
    """
    if not isinstance(text, str) or _SHELL.search(text):
        raise InvalidValue(f"extra_args={text!r} must be options separated by blanks, without any shell syntax.")
    return text
