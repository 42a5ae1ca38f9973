"""Parts of specifications and run settings that the golden files do not reach."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

import flyte
from flyte.model.source import Repository, browser_url
from flyte.model.task import Placement, RunSettings
from flyte.runtime.serialised import definition_of
from flyte.runtime.source import repository_at, source_link
from flyte.wire.imagecache import decode_image_cache, encode_image_cache
from flyte.wire.runspec import env_vars, run_spec
from flyte.wire.taskspec import task_spec

env = flyte.TaskEnvironment(name="specified", description="d" * 300)


@env.task
async def described(x: int = 1) -> int:
    """Short.

    Args:
        x: The x.
    """
    return x


@env.task(
    retries=2,
)
async def over_several_lines(x: int) -> int:
    return x


@env.task(docs=flyte.Documentation(description="Given by hand."))
async def documented_by_hand() -> None:
    """Not this."""


def test_documentation_that_is_given_wins_over_the_docstring() -> None:
    placement = Placement(version="v", root_dir=pathlib.Path(__file__).parent)
    spec = task_spec(definition_of(documented_by_hand, placement, "image"), placement)
    assert spec.documentation.short_description == "Given by hand."


def _spec(**kwargs: bool) -> object:
    placement = Placement(version="v", root_dir=pathlib.Path(__file__).parent)
    return task_spec(definition_of(described, placement, "image"), placement, **kwargs)


def test_only_a_deployment_is_documented() -> None:
    deployed, ephemeral = _spec(), _spec(is_deployment=False)
    assert deployed.documentation.short_description == "Short."
    assert [p.name for p in deployed.default_inputs] == ["x"]
    assert deployed.task_template.interface.inputs.variables[0].value.description == "The x."
    assert not ephemeral.HasField("documentation")
    assert not ephemeral.default_inputs
    assert ephemeral.task_template.interface.inputs.variables[0].value.description == ""
    assert deployed.environment.description == "d" * 247 + "...(tr.)"


REMOTES = [
    ("git@github.com:acme/flows.git", "https://github.com/acme/flows"),
    ("https://github.com/acme/flows.git", "https://github.com/acme/flows"),
    ("http://github.com/acme/flows", "http://github.com/acme/flows"),
    ("ssh://git@github.com/acme/flows.git", "https://github.com/acme/flows"),
    ("https://user:token@github.com/acme/flows.git", "https://github.com/acme/flows"),
    ("git@gitlab.com:acme/group/flows.git", "https://gitlab.com/acme/group/flows"),
]


@pytest.mark.parametrize(("remote", "url"), REMOTES)
def test_a_remote_has_a_page_without_credentials(remote: str, url: str) -> None:
    assert browser_url(remote) == url


def test_a_link_has_a_line_only_where_nothing_changed(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sub" / "a.py"
    clean = Repository(tmp_path, "https://github.com/acme/flows", "c0ffee", is_clean=True)
    changed = Repository(tmp_path, "https://gitlab.com/acme/flows", "c0ffee", is_clean=False)
    elsewhere = Repository(tmp_path, "https://example.com/acme/flows", "c0ffee", is_clean=True)
    assert clean.link(file, 3) == "https://github.com/acme/flows/blob/c0ffee/sub/a.py#L3"
    assert changed.link(file, 3) == "https://gitlab.com/acme/flows/-/blob/c0ffee/sub/a.py"
    assert elsewhere.link(file, 3) is None
    assert clean.link(tmp_path.parent / "b.py", 3) is None


def test_the_line_is_that_of_the_def_after_all_decorators() -> None:
    here = pathlib.Path(__file__)
    repository = Repository(here.parent, "https://github.com/acme/flows", "c0ffee", is_clean=True)
    link = source_link(over_several_lines, repository)
    assert link is not None
    line = int(link.partition("#L")[2])
    assert here.read_text().splitlines()[line - 1].startswith("async def over_several_lines")
    assert source_link(over_several_lines, None) is None


def test_git_is_asked_for_the_repository(tmp_path: pathlib.Path) -> None:
    def git(*args: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *args], check=True, capture_output=True)

    git("init", "-q")
    git("config", "user.email", "a@example.com")
    git("config", "user.name", "a")
    assert repository_at(tmp_path) is None
    (tmp_path / "a.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert repository_at(tmp_path) is None, "it has no remote"
    git("remote", "add", "origin", "git@github.com:acme/flows.git")
    found = repository_at(tmp_path)
    assert found is not None
    assert (found.url, found.is_clean, len(found.commit)) == ("https://github.com/acme/flows", True, 40)
    (tmp_path / "a.py").write_text("x = 2\n")
    changed = repository_at(tmp_path)
    assert changed is not None
    assert not changed.is_clean


def test_an_image_cache_is_the_same_text_for_the_same_images() -> None:
    assert encode_image_cache({"b": "2", "a": "1"}) == encode_image_cache({"a": "1", "b": "2"})
    assert decode_image_cache(encode_image_cache({"b": "2", "a": "1"})) == {"a": "1", "b": "2"}
    assert decode_image_cache(None) == {}
    assert decode_image_cache("not a cache") == {}


def test_run_settings_keep_the_order_of_variables() -> None:
    spec = run_spec(RunSettings(env_vars={"Z": "1", "A": "2"}, labels={"team": "ml"}, interruptible=False))
    assert list(env_vars(spec).items()) == [("Z", "1"), ("A", "2")]
    assert spec.labels.values["team"] == "ml"
    assert spec.HasField("interruptible")
    assert not spec.interruptible.value
