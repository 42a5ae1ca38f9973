"""The documents can be trusted as far as a machine can tell: links lead somewhere, code is code, commands exist."""

from __future__ import annotations

import ast
import pathlib
import re
import shlex

import pytest
import rich_click as click

from flyte.cli.main import flyte

ROOT = pathlib.Path(__file__).parent.parent.parent

PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder in (ROOT, ROOT / "docs", ROOT / "docs" / "decisions", ROOT / "examples")
    for path in folder.glob("*.md")
)
SHELL = ("#", "||", "|", "&&", ";")


def anchors(page: pathlib.Path) -> set[str]:
    """The anchors of a page's headings, as a forge makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def option_of(command: click.Command, word: str) -> click.Option | None:
    """The option of a command that a word names."""
    name = word.split("=", maxsplit=1)[0]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return next((option for option in options if name in option.opts + option.secondary_opts), None)


def known(words: list[str]) -> str | None:
    """What a command line names that does not exist; None when all of it does."""
    command: click.Command = flyte
    context = click.Context(flyte, info_name="flyte")
    rest = iter(words)
    for word in rest:
        if word in SHELL or word.startswith("…"):
            break
        if word.startswith("-"):
            option = option_of(command, word)
            if option is None and word not in ("--help", "-h"):
                return word
            if option is not None and not option.is_flag and not option.count and "=" not in word:
                next(rest, None)
        elif isinstance(command, click.Group):
            if word.isupper() or (command.name in ("run", "deploy") and word != "deployed-task"):
                break  # a placeholder, or a file: what follows belongs to it
            found = command.get_command(context, word)
            if found is None:
                return word
            command, context = found, click.Context(found, info_name=word, parent=context)
            if word == "deployed-task":
                break
    return None


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_something(page: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        path = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_are_python(page: str) -> None:
    for block in blocks(page, "python"):
        compile(block, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    quoted = re.findall(r"`(flyte [^`]+)`", text)
    typed = re.findall(
        r"^(?:\$ )?(flyte [^\n]*)$", "\n".join(re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S)), re.M
    )
    unknown = {}
    for line in quoted + typed:
        if "\\|" in line or line.startswith("flyte-"):
            continue
        wrong = known(shlex.split(line, comments=True)[1:])
        if wrong is not None:
            unknown[line] = wrong
    assert unknown == {}


def test_a_wrong_command_would_be_noticed() -> None:
    assert known(["start", "backend", "--detach"]) is None
    assert known(["start", "backend", "--detached"]) == "--detached"
    assert known(["begin", "backend"]) == "begin"
    assert known(["get", "runs"]) == "runs"


def test_every_page_of_the_documentation_is_listed() -> None:
    for index in ("docs/README.md", "docs/decisions/README.md"):
        listed = (ROOT / index).read_text()
        for page in (ROOT / index).parent.glob("*.md"):
            assert page.name == "README.md" or f"({page.name})" in listed, f"{index} does not list {page.name}"
