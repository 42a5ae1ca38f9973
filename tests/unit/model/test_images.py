"""Images as data: where they begin, their layers, their addresses."""

from __future__ import annotations

import copy
import logging
import pathlib
import pickle
import re
import sys

import pytest

import flyte
from flyte.errors import FeatureNotAvailable, InvalidName, InvalidType, InvalidValue, UnknownName
from flyte.model import requirement
from flyte.model.image import default_image_uri
from flyte.model.image_layers import LocalSdk, PipPackages

Image = flyte.Image
DEFAULT = f"ghcr.io/flyteorg/flyte:py{sys.version_info[0]}.{sys.version_info[1]}-v2.12.1"


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tag(image: flyte.Image) -> str:
    match = re.fullmatch(r".*:([0-9a-f]{32})", image.uri)
    assert match is not None, image.uri
    return match[1]


def test_an_image_is_not_called_directly() -> None:
    with pytest.raises(TypeError, match=r"Image\(…\) is not called directly\. Use Image\.from_debian_base\(\)"):
        Image()
    with pytest.raises(InvalidType):
        Image(base_image="python:3.12")


def test_the_default_image_is_the_official_one_of_this_python() -> None:
    assert default_image_uri() == DEFAULT
    assert Image.from_debian_base().uri == DEFAULT
    assert not Image.from_debian_base().needs_build


@pytest.mark.parametrize(
    ("image", "uri"),
    [
        (Image.from_debian_base(python_version=(3, 12)), "ghcr.io/flyteorg/flyte:py3.12-v2.12.1"),
        (Image.from_debian_base(python_version=(3, 12), flyte_version="2.0.1"), "ghcr.io/flyteorg/flyte:py3.12-v2.0.1"),
        (Image.from_debian_base(python_version=(3, 12), install_flyte=False), "python:3.12-slim-bookworm"),
        (Image.from_base("pytorch/pytorch:2.0"), "pytorch/pytorch:2.0"),
        (Image.from_registry("localhost:5000/a/b@sha256:0123"), "localhost:5000/a/b@sha256:0123"),
        (Image.from_base("env://local-0123"), "env://local-0123"),
    ],
)
def test_an_image_without_layers_has_the_address_of_its_base(image: flyte.Image, uri: str) -> None:
    assert image.uri == uri
    assert image.resolved_uri({}) == uri


def test_layers_give_a_tag_under_registry_and_name() -> None:
    image = Image.from_debian_base(registry="ghcr.io/me", name="my_image").with_pip_packages("pandas")
    assert image.uri.startswith("ghcr.io/me/my_image:")
    assert Image.from_debian_base().with_pip_packages("pandas").uri.startswith("flyte:")
    assert Image.from_registry("pytorch/pytorch:2").with_pip_packages("pandas").uri.startswith("pytorch:")


def test_equal_declarations_have_equal_addresses_and_others_differ() -> None:
    def declared(*packages: str, **options: object) -> flyte.Image:
        return Image.from_base("python:3.12").with_pip_packages(*packages, **options)  # type: ignore[arg-type]

    assert declared("a", "b") == declared("a", "b")
    assert declared("a", "b").uri == declared("a", "b").uri
    tags = {
        tag(image)
        for image in (
            declared("a", "b"),
            declared("b", "a"),
            declared("ab"),
            declared("a", "b", pre=True),
            declared("a", "b", index_url="https://example.com/simple"),
            declared("a", "b", secret_mounts="token"),
            declared("a").with_pip_packages("b"),
            declared("a", "b").with_env_vars({"A": "1"}),
            declared("a", "b").clone(base_image="python:3.13"),
            declared("a", "b").clone(python_version=(3, 9)),
        )
    }
    assert len(tags) == 10


def test_an_image_is_never_changed() -> None:
    base = Image.from_debian_base()
    more = base.with_pip_packages("pandas")
    assert base.layers == ()
    assert more.layers == (PipPackages(packages=("pandas",)),)
    with pytest.raises(AttributeError):
        base.name = "other"  # type: ignore[misc]


def test_an_image_survives_pickling_and_copying() -> None:
    image = Image.from_debian_base(name="x").with_pip_packages("pandas")
    assert pickle.loads(pickle.dumps(image)) == image
    assert copy.deepcopy(image).uri == image.uri


def test_every_layer_is_kept_in_order(folder: pathlib.Path) -> None:
    image = (
        Image.from_debian_base()
        .with_apt_packages("git", "curl")
        .with_pip_packages("pandas")
        .with_requirements("requirements.txt")
        .with_uv_project("a/pyproject.toml")
        .with_poetry_project("b/pyproject.toml")
        .with_pixi_project("pixi.toml")
        .with_commands(["make all"])
        .with_env_vars({"B": "2", "A": "it's"})
        .with_source_folder(folder / "src")
        .with_source_file(folder / "x.txt", "/data")
        .with_code_bundle()
        .with_workdir("/work")
        .with_dockerignore(folder / ".dockerignore")
        .with_local_v2()
        .with_local_v2_plugins("flyteplugins-polars")
    )
    assert [type(layer).__name__ for layer in image.layers] == [
        "AptPackages", "PipPackages", "Requirements", "UvProject", "PoetryProject", "PixiProject", "Commands", "Env",
        "SourceFolder", "SourceFiles", "Code", "WorkDir", "DockerIgnore", "LocalSdk", "LocalSdk",
    ]  # fmt: skip
    by_kind = {type(layer).__name__: layer for layer in image.layers}
    assert by_kind["UvProject"].lock == pathlib.Path("a/uv.lock")  # type: ignore[attr-defined]
    assert by_kind["Env"].env_vars == (("A", "it's"), ("B", "2"))  # type: ignore[attr-defined]
    assert image.layers[-1] == LocalSdk(plugins=("flyteplugins-polars",))


def test_nothing_to_add_adds_no_layer() -> None:
    image = Image.from_debian_base()
    assert image.with_pip_packages() is image
    assert image.with_apt_packages() is image


def test_the_tag_follows_the_contents_of_files_and_not_their_place(folder: pathlib.Path) -> None:
    for name, text in (("a", "pandas\n"), ("b", "pandas\n"), ("c", "numpy\n")):
        (folder / name).mkdir()
        (folder / name / "requirements.txt").write_text(text)
    one, other, third = (
        tag(Image.from_debian_base().with_requirements(folder / name / "requirements.txt")) for name in "abc"
    )
    assert one == other != third


def test_a_folder_counts_with_all_its_files(folder: pathlib.Path) -> None:
    source = folder / "src"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "a.py").write_text("1")

    def now(contents_only: bool = False) -> str:
        return tag(Image.from_debian_base().with_source_folder(source, copy_contents_only=contents_only))

    first = now()
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert now() == first
    (source / "sub" / "b.py").write_text("2")
    second = now()
    assert second != first
    (source / "sub" / "b.py").rename(source / "b.py")
    assert now() not in (first, second)
    assert now(contents_only=True) != now()


def test_a_missing_file_is_named_when_the_address_is_asked_for_and_not_before(folder: pathlib.Path) -> None:
    image = Image.from_debian_base().with_requirements("requirements.txt")
    sentence = rf"The image needs 'requirements\.txt', which does not exist \(looked in {re.escape(str(folder))}\)\."
    with pytest.raises(InvalidValue, match=sentence):
        _ = image.uri
    with pytest.raises(InvalidValue, match=sentence):
        image.validate()
    (folder / "requirements.txt").write_text("pandas")
    image.validate()
    assert tag(image)


def test_a_dockerfile_makes_an_image_that_takes_no_layers(folder: pathlib.Path) -> None:
    image = Image.from_dockerfile("Dockerfile", registry="ghcr.io/myorg", name="my_custom_image")
    with pytest.raises(InvalidValue, match="which does not exist"):
        image.validate()
    (folder / "Dockerfile").write_text("FROM python:3.12\n")
    image.validate()
    assert image.uri.startswith("ghcr.io/myorg/my_custom_image:")
    with pytest.raises(ValueError, match="No layers can be added to the image made by Dockerfile: begin with"):
        image.with_pip_packages("pandas")


def test_scripts_bring_their_dependencies(folder: pathlib.Path) -> None:
    script = folder / "s.py"
    script.write_text("# /// script\n# dependencies = ['httpx']\n# ///\n")
    uv = Image.from_uv_script(script, name="n", registry="r.io", python_version=(3, 12))
    assert uv.base_image == "python:3.12-slim-bookworm"
    assert uv.uri.startswith("r.io/n:")
    pixi = Image.from_pixi_script("s.py", name="n", environment="gpu")
    assert tag(pixi) != tag(uv)
    before = uv.uri
    script.write_text("# /// script\n# dependencies = ['pandas']\n# ///\n")
    assert Image.from_uv_script(script, name="n", registry="r.io", python_version=(3, 12)).uri != before


def test_a_name_from_the_configuration_is_looked_up() -> None:
    image = Image.from_ref_name("gpu")
    assert image.resolved_uri({"gpu": "ghcr.io/x/gpu:1"}) == "ghcr.io/x/gpu:1"
    with pytest.raises(UnknownName, match=r"has no image 'gpu'; it has: cpu\. Add it to image\.image_refs"):
        image.resolved_uri({"cpu": "x"})
    assert Image.from_ref_name().resolved_uri({}) == DEFAULT
    with pytest.raises(InvalidValue, match="address of image 'gpu' is in the configuration, not in the code"):
        _ = image.uri
    with pytest.raises(InvalidValue, match="image called 'gpu' in the configuration: begin with"):
        image.with_pip_packages("x")


def test_an_image_that_would_have_to_be_built_says_so(folder: pathlib.Path) -> None:
    for image in (
        Image.from_debian_base().with_pip_packages("pandas"),
        Image.from_debian_base(name="mine"),
        Image.from_dockerfile("Dockerfile", registry="r.io", name="n"),
    ):
        with pytest.raises(FeatureNotAvailable, match=r"(?s)later version .*docs/compatibility\.md.*Until then") as e:
            image.resolved_uri({})
        assert "Image.from_base('registry/name:tag')" in str(e.value)


def test_an_empty_address_is_an_error_only_when_it_is_used() -> None:
    image = Image.from_base("")
    with pytest.raises(InvalidValue, match=r"given no address\. Was an environment variable not set?"):
        _ = image.uri
    with pytest.raises(InvalidValue, match="No layers can be added to the image without a base"):
        image.with_pip_packages("x")


def test_the_tag_of_code_is_known_only_when_it_is_built() -> None:
    image = Image.from_debian_base().with_code_bundle("all")
    with pytest.raises(InvalidValue, match="follows from the code, which is known only when it is built"):
        _ = image.uri


def test_clone_changes_what_is_given_and_keeps_the_rest() -> None:
    image = Image.from_debian_base(registry="r.io", name="a", platform=("linux/arm64",)).with_pip_packages("x")
    clone = image.clone(name="b", registry_secret="token", extendable=False)
    assert (clone.name, clone.registry, clone.platform, clone.layers) == ("b", "r.io", ("linux/arm64",), image.layers)
    with pytest.raises(InvalidValue, match="No layers can be added"):
        clone.with_pip_packages("y")
    assert image.clone(addl_layer=PipPackages(packages=("y",))) == image.with_pip_packages("y")
    assert image.clone() == image
    assert image.clone(platform="linux/amd64").platform == ("linux/amd64",)
    moved = Image.from_debian_base(python_version=(3, 11)).clone(python_version=(3, 13))
    assert moved.uri == "ghcr.io/flyteorg/flyte:py3.13-v2.12.1"
    bare = Image.from_base("x/y:1").clone(name="z")
    assert bare.uri.startswith("z:")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Image.from_base("a b"), "'a b' is not the address of an image. Write it as 'registry/name:tag'."),
        (lambda: Image.from_base("-x"), "'-x' is not the address of an image"),
        (lambda: Image.from_base("x\nRUN y"), "is not the address of an image"),
        (lambda: Image.from_debian_base(registry="ghcr io"), "registry='ghcr io' is not a registry"),
        (lambda: Image.from_debian_base(registry="https://ghcr.io"), "without a scheme"),
        (lambda: Image.from_debian_base(name="Big"), "Image name 'Big' must be lower-case"),
        (lambda: Image.from_debian_base(platform=("windows",)), "platform=('windows',) must be of linux/amd64"),
        (lambda: Image.from_debian_base(python_version=3), "python_version=3 must be two numbers"),
        (lambda: Image.from_debian_base(flyte_version="1 2"), "is not the address of an image"),
        (lambda: Image.from_debian_base().with_pip_packages(3), "A Python package must be a str, not 3."),
        (lambda: Image.from_debian_base().with_pip_packages("x", index_url="ftp://x"), "index_url='ftp://x' must be"),
        (
            lambda: Image.from_debian_base().with_pip_packages("x", extra_index_urls=["no"]),
            "extra_index_urls='no' must be an http or https address.",
        ),
        (lambda: Image.from_debian_base().with_pip_packages("x", extra_args="-q; rm"), "without any shell syntax"),
        (lambda: Image.from_debian_base().with_commands("echo"), "takes a list of commands: with_commands(['echo'])."),
        (lambda: Image.from_debian_base().with_commands(["a\nb"]), "must be one line without control characters"),
        (lambda: Image.from_debian_base().with_commands([1]), "A command of with_commands must be a str, not 1."),
        (lambda: Image.from_debian_base().with_env_vars({"A B": "c"}), "'A B' is not the name of an environment"),
        (lambda: Image.from_debian_base().with_env_vars({"A": 1}), "The environment variable A must be a str, not 1."),
        (lambda: Image.from_debian_base().with_env_vars({"A": "x\ny"}), "variable A must be one line"),
        (lambda: Image.from_debian_base().with_env_vars("A=b"), "with_env_vars takes a dict of str to str, not 'A=b'."),
        (lambda: Image.from_debian_base().with_workdir("/x\n/y"), "workdir must be one line"),
        (lambda: Image.from_debian_base().with_requirements(3), "file must be a path, not 3."),
        (lambda: Image.from_debian_base().with_source_folder(None), "src must be a path, not None."),
        (
            lambda: Image.from_debian_base().with_source_file([pathlib.Path("a/x"), pathlib.Path("b/x")]),
            "several files are called x and go to '.'.",
        ),
        (
            lambda: Image.from_debian_base().with_code_bundle("none"),
            "copy_style='none' must be one of 'loaded_modules', 'all'.",
        ),
        (
            lambda: Image.from_debian_base().with_uv_project("p.toml", project_install_mode="x"),
            "project_install_mode='x' must be one of 'dependencies_only', 'install_project'.",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(make: object, sentence: str) -> None:
    with pytest.raises((InvalidValue, InvalidType)) as e:
        make()  # type: ignore[operator]
    assert sentence in str(e.value)


def test_there_is_no_controller_in_rust() -> None:
    with pytest.raises(FeatureNotAvailable, match="no controller in Rust"):
        Image.from_debian_base().with_local_rs_controller()


@pytest.mark.parametrize(
    "text",
    [
        "pandas", "pandas>=2", "pandas >= 2, < 3", "pandas==2.*", "x[a,b]>=1", "zope.interface~=5.0",
        "x; python_version < '3.12'", 'x>=1 ; sys_platform == "linux" and python_version >= "3.11"', "x (>=1)",
        "x @ https://example.com/x-1-py3-none-any.whl", "git+https://github.com/a/b.git@v1#egg=b&subdirectory=c",
        "git+ssh://git@github.com/a/b.git",
    ],
)  # fmt: skip
def test_requirements_as_pip_reads_them_are_taken(text: str) -> None:
    assert requirement.python_package(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "pkg>=1;touch x", "pkg>=1; touch x", "$(touch x)", "`id`", "pkg\nRUN x", "a b", "pkg && id", "pkg|id",
        "pkg>=1 --index-url https://evil", "../x.whl", "/etc/passwd", "x @ file:///a b", "x>", "x[", "x;", "x<1>y",
        "git+https://a/b;id", "x; python_version", "pkg'", 'pkg"', "pkg#c",
    ],
)  # fmt: skip
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="is not a Python package"):
        requirement.python_package(text)


@pytest.mark.parametrize("text", ["-e .", "--index-url", "-rrequirements.txt"])
def test_options_are_not_packages(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"looks like an option of the installer\. Use the parameters index_url"):
        requirement.python_package(text)


def test_a_git_version_cannot_be_an_option_of_git() -> None:
    with pytest.raises(InvalidValue, match="begins with '-', which git would obey"):
        requirement.python_package("git+https://github.com/a/b@--upload-pack=x")


@pytest.mark.parametrize(
    "text", ["git", "libgl1-mesa-glx", "g++", "curl=7.88.1-10+deb12u5", "libc6:amd64", "vim/stable"]
)
def test_system_packages_as_apt_knows_them_are_taken(text: str) -> None:
    assert requirement.system_package(text) == text


@pytest.mark.parametrize("text", ["", "git curl", "git;id", "-y", "$(id)", "git\ncurl", "Git", "a&&b", "../x"])
def test_what_is_no_system_package_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="is not a system package"):
        requirement.system_package(text)


def test_sklearn_is_answered_with_the_right_name_and_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requirement, "_warned", set())
    with caplog.at_level(logging.WARNING, "flyte"):
        image = Image.from_debian_base().with_pip_packages("torch", "sklearn")
        Image.from_debian_base().with_pip_packages("sklearn>=1.4")
    assert image.layers == (PipPackages(packages=("torch", "scikit-learn")),)
    assert requirement.python_package("sklearn>=1.4") == "scikit-learn>=1.4"
    assert [record.getMessage() for record in caplog.records] == [
        "The package of the module sklearn is called scikit-learn: that is what the image gets."
    ]


def test_names_are_checked_as_names() -> None:
    with pytest.raises(InvalidName):
        requirement.variable_name("1A")
    with pytest.raises(InvalidName):
        requirement.image_name("a b")
