"""Configuration: files, environment variables, and which wins."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from flyte.client.init import current_domain, current_project, init, init_from_config, named_images
from flyte.client.session import current_session, require_session
from flyte.config.home import backend_folder, ensure_private, flyte_home
from flyte.config.settings import Config, auto, base_url, normalised_endpoint, org_from_endpoint
from flyte.errors import BackendUnreachable, InitializationError, InvalidType, InvalidValue


@pytest.fixture(autouse=True)
def _elsewhere(flyte_home: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))


def write(path: str, text: str) -> pathlib.Path:
    file = pathlib.Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_file_is_read_section_by_section() -> None:
    write(
        "c.yaml",
        "admin: {endpoint: 'dns:///h:1', insecure: true}\ntask: {project: p, domain: d, org: o}\n"
        "image: {builder: remote, image_refs: {a: b}}",
    )
    config = auto("c.yaml")
    assert (config.platform.endpoint, config.platform.insecure) == ("dns:///h:1", True)
    assert (config.task.project, config.task.domain, config.task.org) == ("p", "d", "o")
    assert (config.image.builder, config.image.image_refs) == ("remote", {"a": "b"})
    assert config.source == pathlib.Path("c.yaml")


def test_an_environment_variable_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("c.yaml", "admin: {endpoint: file:1, insecure: true}")
    monkeypatch.setenv("FLYTE_ADMIN_ENDPOINT", "variable:2")
    monkeypatch.setenv("FLYTE_ADMIN_INSECURE", "false")
    config = auto("c.yaml")
    assert (config.platform.endpoint, config.platform.insecure) == ("variable:2", False)


def test_environment_variables_count_without_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_ADMIN_ENDPOINT", "variable:2")
    monkeypatch.setenv("FLYTE_TASK_PROJECT", "p")
    assert (auto().platform.endpoint, auto().task.project) == ("variable:2", "p")


def test_the_search_goes_from_the_folder_to_the_repository_to_the_home(
    flyte_home: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(str(flyte_home / "config.yaml"), "task: {project: home}")
    assert auto().task.project == "home"
    subprocess.run(["git", "init", "-q", str(tmp_path / "repo")], check=True)
    write(str(tmp_path / "repo/.flyte/config.yaml"), "task: {project: repository}")
    (tmp_path / "repo/inner").mkdir()
    monkeypatch.chdir(tmp_path / "repo/inner")
    assert auto().task.project == "repository"
    write(".flyte/config.yaml", "task: {project: nested}")
    assert auto().task.project == "nested"
    write("config.yaml", "task: {project: here}")
    assert auto().task.project == "here"


def test_a_config_file_of_another_tool_is_passed_over() -> None:
    write("config.yaml", "database: {host: x}")
    assert auto().source is None


def test_an_explicit_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(InitializationError, match=r"missing\.yaml does not exist") as caught:
        auto("missing.yaml")
    assert caught.value.code == "ConfigFileNotFoundError"


@pytest.mark.parametrize("text", ["admin: {", "- a\n- b", "admin: !!python/object/apply:os.system ['true']"])
def test_a_broken_file_is_told_and_never_executed(text: str) -> None:
    write("c.yaml", text)
    with pytest.raises(InvalidValue, match=r"c\.yaml"):
        auto("c.yaml")


def test_a_flag_that_is_neither_true_nor_false_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_ADMIN_INSECURE", "perhaps")
    with pytest.raises(InvalidValue, match=r"admin\.insecure must be true or false"):
        auto()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("host:1", ("dns:///host:1", False)),
        ("dns:///host:1", ("dns:///host:1", False)),
        ("http://host:1", ("dns:///host:1", True)),
        ("https://host/", ("dns:///host", False)),
        ("[::1]:30080", ("dns:///[::1]:30080", False)),
    ],
)
def test_endpoints_are_accepted_in_their_spellings(given: str, wanted: tuple[str, bool]) -> None:
    assert normalised_endpoint(given, insecure=False) == wanted


@pytest.mark.parametrize(
    "given", ["ftp://host", "", "http://", "host/path", "two words", "h:y", "h:99999", "h:0", ":1", "[::1"]
)
def test_endpoints_that_cannot_be_are_told(given: str) -> None:
    with pytest.raises(InvalidValue, match="endpoint"):
        normalised_endpoint(given, insecure=False)


def test_the_organisation_is_the_first_label_of_a_long_host() -> None:
    assert org_from_endpoint("dns:///my.host.example.com") == "my"
    assert org_from_endpoint("localhost:30080") is None


def test_secrets_come_from_a_file_or_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    write("secret", "from the file\n")
    write("c.yaml", "admin: {clientSecretLocation: secret}")
    config = auto("c.yaml")
    assert (config.platform.client_credentials_secret, config.platform.auth_mode) == ("from the file", "ClientSecret")
    write("c.yaml", "admin: {clientSecretLocation: secret, clientSecretEnvVar: THE_SECRET}")
    monkeypatch.setenv("THE_SECRET", "from the variable")
    assert auto("c.yaml").platform.client_credentials_secret == "from the variable"


def test_init_without_an_endpoint_is_local() -> None:
    init(project="p", domain="d")
    session = current_session()
    assert session is not None and session.transport is None
    assert (current_project(), current_domain()) == ("p", "d")
    with pytest.raises(InitializationError, match="needs a backend") as caught:
        require_session()
    assert caught.value.code == "ClientNotInitializedError"


def test_project_and_domain_are_unknown_before_init() -> None:
    with pytest.raises(InitializationError, match=r"flyte\.init_from_config\(\)") as caught:
        current_domain()
    assert caught.value.code == "DomainNotInitializedError"


def test_init_from_config_resolves_a_path_against_the_root(tmp_path: pathlib.Path) -> None:
    write(str(tmp_path / "root/c.yaml"), "admin: {endpoint: 'h:1', insecure: true}\ntask: {project: p, domain: d}")
    init_from_config("c.yaml", root_dir=tmp_path / "root", project="other")
    session = require_session()
    assert session.config.task.project == "other"
    assert session.root_dir == tmp_path / "root"
    assert base_url(session.config.platform) == "http://h:1"


def test_a_config_object_is_taken_as_it_is() -> None:
    config = Config()
    assert Config.auto() == config


def test_images_are_named_by_texts() -> None:
    assert named_images(("a=x:1", "y:2")) == {"a": "x:1", "default": "y:2"}
    with pytest.raises(InvalidValue, match="NAME=ADDRESS"):
        named_images(("=x",))


def test_without_a_backend_the_local_one_is_not_started_for_reading() -> None:
    from flyte.client.init import use_local_backend

    with pytest.raises(BackendUnreachable, match="No backend runs on this machine") as caught:
        use_local_backend(Config(), start=False)
    assert "flyte start backend --detach" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FLYTE_ADMIN_RPCRETRIES", "many", r"admin\.rpcRetries must be a whole number, 0 or more, not 'many'"),
        ("FLYTE_ADMIN_RPCRETRIES", "-1", r"admin\.rpcRetries must be a whole number"),
        ("FLYTE_ADMIN_COMMAND", "[x", r"admin\.command must be words, quoted as in a shell, or a JSON list"),
        ("FLYTE_ADMIN_COMMAND", '"x', r"admin\.command must be words"),
        ("FLYTE_IMAGE_IMAGE_REFS", "a=b", r"image\.image_refs must be a mapping of names, not 'a=b'"),
        ("FLYTE_IMAGE_IMAGE_REFS", "[1]", r"image\.image_refs must be a mapping of names"),
    ],
)
def test_a_variable_that_cannot_be_read_is_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidValue, match=said):
        auto()


def test_lists_and_mappings_may_be_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_IMAGE_IMAGE_REFS", '{"a": "x:1"}')
    monkeypatch.setenv("FLYTE_ADMIN_COMMAND", '["sign", "in here"]')
    config = auto()
    assert config.image.image_refs == {"a": "x:1"}
    assert config.platform.command == ("sign", "in here")


def test_a_number_of_the_file_counts_also_when_it_is_zero() -> None:
    write("c.yaml", "admin: {rpcRetries: 0}")
    assert auto("c.yaml").platform.rpc_retries == 0


@pytest.mark.parametrize("text", ["admin: hello", "task: [a]", "image: 3"])
def test_a_section_that_is_none_is_told(text: str) -> None:
    write("c.yaml", text)
    with pytest.raises(InvalidValue, match=r"c\.yaml, (admin|task|image) must be a section"):
        auto("c.yaml")


def test_a_file_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object, **_options: object) -> str:
        raise PermissionError(13, "Permission denied")

    write("c.yaml", "admin: {}")
    monkeypatch.setattr(pathlib.Path, "read_text", refused)
    with pytest.raises(InvalidValue, match=r"c\.yaml cannot be read: Permission denied"):
        auto("c.yaml")


def test_a_broken_file_here_is_passed_over_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    write("config.yaml", "admin: {endpoint: ")
    assert auto().source is None
    assert "./config.yaml is passed over" in caplog.text


def test_an_address_of_numbers_has_no_organisation() -> None:
    assert org_from_endpoint("dns:///127.0.0.1:30080") is None
    assert org_from_endpoint("[::1]:30080") is None


def test_the_home_is_absolute_and_its_owners_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLYTE_HOME", "relative")
    assert flyte_home() == tmp_path / "relative"
    assert ensure_private(backend_folder()).stat().st_mode & 0o077 == 0
    assert flyte_home().stat().st_mode & 0o077 == 0


def test_init_refuses_an_option_that_there_is_not() -> None:
    with pytest.raises(InvalidType, match=r"flyte\.init\(\) has no option 'projekt'"):
        init(projekt="p")
    init(project="p", log_format="json")
    assert current_project() == "p"
