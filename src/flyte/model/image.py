"""Container images, as data: where one begins, and what is added.

An image is declared here and built elsewhere. Its address follows from what it is made of, so that equal
declarations have equal addresses.
"""

from __future__ import annotations

import hashlib
import pathlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

from flyte.errors import FeatureNotAvailable, InvalidType, InvalidValue, UnknownName
from flyte.model import requirement
from flyte.model.image_layering import Layering, Urls, as_path, options_and_secrets, pip_options
from flyte.model.image_layers import Layer, PixiScript, UvScript, contents_of
from flyte.model.secret import Secret, SecretRequest, as_secrets
from flyte.model.task import SDK_COMPATIBLE_VERSION

Architecture: TypeAlias = Literal["linux/amd64", "linux/arm64"]
Platforms: TypeAlias = Architecture | tuple[Architecture, ...] | None

_MADE_BY_A_CONSTRUCTOR = "made"


def _this_python() -> tuple[int, int]:
    return sys.version_info[0], sys.version_info[1]


def default_image_uri(python: tuple[int, int] | None = None, version: str = SDK_COMPATIBLE_VERSION) -> str:
    """The image that a task runs in unless it says otherwise: the official one for the Python minor."""
    major, minor = python or _this_python()
    return f"ghcr.io/flyteorg/flyte:py{major}.{minor}-v{version}"


def plain_python_uri(python: tuple[int, int] | None = None) -> str:
    """An image with Python and nothing else."""
    major, minor = python or _this_python()
    return f"python:{major}.{minor}-slim-bookworm"


def _python(version: tuple[int, int] | None) -> tuple[int, int]:
    if version is None:
        return _this_python()
    if not isinstance(version, tuple) or len(version) != 2 or not all(type(part) is int for part in version):
        raise InvalidValue(f"python_version={version!r} must be two numbers, (3, 12) say.")
    return version


def _platforms(platform: Platforms, otherwise: tuple[Architecture, ...]) -> tuple[Architecture, ...]:
    if platform is None:
        return otherwise
    chosen = tuple(platform) if isinstance(platform, tuple | list) else (platform,)
    unknown = [name for name in chosen if name not in get_args(Architecture)]
    if unknown or not chosen:
        raise InvalidValue(f"platform={platform!r} must be of {', '.join(get_args(Architecture))}.")
    return chosen


def _secret(secret: str | Secret | None) -> Secret | None:
    return as_secrets(secret)[0] if secret is not None else None


@dataclass(frozen=True)
class Image(Layering):
    """What tasks run in: a base and layers on it. Never changed; every method gives a new image.

    Made by `from_debian_base`, `from_base` (also called `from_registry`), `from_dockerfile`, `from_uv_script`,
    `from_pixi_script` or `from_ref_name`, and extended by the `with_…` methods.

    Args:
        base_image: The address that the layers are put on.
        dockerfile: The recipe, for an image made of one.
        registry: Where the built image goes.
        name: What the built image is called.
        platform: What machines it is built for.
        python_version: Its Python.
        extendable: True when layers can be added.

    Raises:
        InvalidType: It was called directly.

    Example:
        >>> flyte.Image.from_base("python:3.12-slim").uri
        'python:3.12-slim'
    """

    base_image: str | None = None
    dockerfile: pathlib.Path | None = None
    registry: str | None = None
    name: str | None = None
    platform: tuple[Architecture, ...] = ("linux/amd64",)
    python_version: tuple[int, int] = field(default_factory=_this_python)
    extendable: bool = False
    _is_cloned: bool = field(default=False, repr=False)
    _ref_name: str | None = None
    _layers: tuple[Layer, ...] = ()
    _image_registry_secret: Secret | None = None
    _made: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._made != _MADE_BY_A_CONSTRUCTOR:
            raise InvalidType("Image(…) is not called directly. Use Image.from_debian_base(), Image.from_base(uri), ….")
        if self.registry is not None:
            requirement.registry(self.registry)
        if self.name is not None:
            requirement.image_name(self.name)

    @classmethod
    def _new(cls, **settings: Any) -> Image:
        return cls(_made=_MADE_BY_A_CONSTRUCTOR, **settings)

    @classmethod
    def from_debian_base(
        cls,
        python_version: tuple[int, int] | None = None,
        flyte_version: str | None = None,
        install_flyte: bool = True,
        registry: str | None = None,
        registry_secret: str | Secret | None = None,
        name: str | None = None,
        platform: tuple[Architecture, ...] | None = None,
    ) -> Image:
        """The default image: Debian with Python and flyte.

        Args:
            python_version: (major, minor); this interpreter's by default.
            flyte_version: Of the base; the compatible one by default.
            install_flyte: False for Python alone.
            registry: Where the image goes once it has layers.
            registry_secret: How to get into that registry.
            name: What the image is called once it has layers.
            platform: What machines it is built for; x86 and ARM by default.

        Raises:
            InvalidValue: A value cannot be; the sentence says which.
        """
        python = _python(python_version)
        version = SDK_COMPATIBLE_VERSION if flyte_version is None else flyte_version
        base = default_image_uri(python, version) if install_flyte else plain_python_uri(python)
        return cls._new(
            base_image=requirement.image_address(base),
            registry=registry,
            name=name or "flyte",
            platform=_platforms(platform, get_args(Architecture)),
            python_version=python,
            extendable=True,
            _is_cloned=bool(registry or name),
            _image_registry_secret=_secret(registry_secret),
        )

    @classmethod
    def from_base(cls, image_uri: str) -> Image:
        """An image that exists; layers can be put on it.

        An empty address is an error only when the image is used: it often comes from an environment variable,
        which the task process need not have.

        Raises:
            InvalidValue: The text is not an address.
        """
        if not image_uri:
            return cls._new()
        path = requirement.image_address(image_uri).partition("@")[0]
        name = path.rpartition("/")[2].partition(":")[0].lower().strip("._-")
        return cls._new(base_image=image_uri, name=name, extendable=True)

    @classmethod
    def from_registry(cls, image_uri: str) -> Image:
        """Another name of `from_base`."""
        return cls.from_base(image_uri)

    @classmethod
    def from_dockerfile(cls, file: str | pathlib.Path, registry: str, name: str, platform: Platforms = None) -> Image:
        """An image made by a Dockerfile, which has all its layers: no others can be put on it."""
        path = as_path(file, "file")
        return cls._new(dockerfile=path, registry=registry, name=name, platform=_platforms(platform, ("linux/amd64",)))

    @classmethod
    def from_uv_script(
        cls,
        script: pathlib.Path | str,
        *,
        name: str,
        registry: str | None = None,
        registry_secret: str | Secret | None = None,
        python_version: tuple[int, int] | None = None,
        index_url: str | None = None,
        extra_index_urls: Urls = None,
        pre: bool = False,
        extra_args: str | None = None,
        platform: tuple[Architecture, ...] | None = None,
        secret_mounts: SecretRequest | None = None,
    ) -> Image:
        """An image with the dependencies that a script declares in its head (PEP 723), installed by uv.

        The parameters are those of `from_debian_base` and `with_pip_packages`.
        """
        options = pip_options(index_url, extra_index_urls, pre, extra_args, secret_mounts)
        base = cls.from_debian_base(python_version, None, False, registry, registry_secret, name, platform)
        return base._with_layer(UvScript(script=as_path(script, "script"), **options))

    @classmethod
    def from_pixi_script(
        cls,
        script: pathlib.Path | str,
        *,
        name: str,
        registry: str | None = None,
        registry_secret: str | Secret | None = None,
        environment: str = "default",
        extra_args: str | None = None,
        platform: tuple[Architecture, ...] | None = None,
        secret_mounts: SecretRequest | None = None,
    ) -> Image:
        """An image with the dependencies that a script declares for pixi in its head."""
        base = cls.from_debian_base(None, None, False, registry, registry_secret, name, platform)
        options = options_and_secrets(extra_args, secret_mounts)
        environment = requirement.image_name(environment)
        return base._with_layer(PixiScript(script=as_path(script, "script"), environment=environment, **options))

    @classmethod
    def from_ref_name(cls, name: str = "default") -> Image:
        """The image that the configuration has under a name (`image.image_refs`, or `--image name=address`)."""
        return cls._new(_ref_name=requirement.one_line(name, "name"))

    def clone(
        self,
        registry: str | None = None,
        registry_secret: str | Secret | None = None,
        name: str | None = None,
        base_image: str | None = None,
        python_version: tuple[int, int] | None = None,
        addl_layer: Layer | None = None,
        extendable: bool | None = None,
        platform: Platforms = None,
    ) -> Image:
        """The same image with some things changed; None keeps.

        Raises:
            InvalidValue: A layer is to be added and the image cannot have any.
        """
        python = self.python_version if python_version is None else _python(python_version)
        base = self.base_image if base_image is None else requirement.image_address(base_image)
        if base_image is None and base is not None:
            # A base that was chosen by its Python follows it.
            for by_python in (default_image_uri, plain_python_uri):
                base = by_python(python) if base == by_python(self.python_version) else base
        image = replace(
            self,
            registry=self.registry if registry is None else registry,
            name=self.name if name is None else name,
            base_image=base,
            python_version=python,
            extendable=self.extendable if extendable is None else extendable,
            platform=_platforms(platform, self.platform),
            _is_cloned=self._is_cloned or registry is not None or name is not None,
            _image_registry_secret=_secret(registry_secret) or self._image_registry_secret,
        )
        return image if addl_layer is None else image._with_layer(addl_layer)

    def _with_layer(self, layer: Layer) -> Image:
        if not self.extendable or not self.name:
            raise InvalidValue(
                f"No layers can be added to the image {self._described()}: "
                "begin with Image.from_base(uri), or clone(name=…, extendable=True) it."
            )
        return replace(self, _layers=(*self._layers, layer))

    def _described(self) -> str:
        if self._ref_name is not None:
            return f"called {self._ref_name!r} in the configuration"
        return f"made by {self.dockerfile}" if self.dockerfile else f"{self.base_image or 'without a base'}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is put on the base, in order."""
        return self._layers

    @property
    def needs_build(self) -> bool:
        """True when no finished image has what is declared."""
        return bool(self._layers or self.dockerfile or self._is_cloned)

    @cached_property
    def uri(self) -> str:
        """The address: the base's for an image without layers, else `registry/name:tag`, tagged by its contents.

        Raises:
            InvalidValue: There is no base, a file is missing, or the address is known only later.
        """
        if self._ref_name is not None:
            raise InvalidValue(f"The address of image {self._ref_name!r} is in the configuration, not in the code.")
        if self.base_image is None and self.dockerfile is None:
            raise InvalidValue("Image.from_base() was given no address. Was an environment variable not set?")
        if not self.needs_build:
            return str(self.base_image)
        path = f"{self.registry}/{self.name}" if self.registry else self.name
        return f"{path}:{self._tag()}"

    def _tag(self) -> str:
        digest = hashlib.md5(usedforsecurity=False)

        def add(part: bytes) -> None:
            digest.update(len(part).to_bytes(8, "big") + part)

        add(f"{self.base_image}\0{self.python_version}".encode())
        for part in contents_of(self.dockerfile) if self.dockerfile is not None else ():
            add(part)
        for layer in self._layers:
            for part in layer.contents():
                add(part)
        return digest.hexdigest()

    def validate(self) -> None:
        """Look for every file that the image needs.

        Raises:
            InvalidValue: One is missing; the sentence names it.
        """
        files = [file for layer in self._layers for file in layer.files()]
        for file in [*([self.dockerfile] if self.dockerfile else []), *files]:
            next(iter(contents_of(file)), None)

    def resolved_uri(self, images: Mapping[str, str]) -> str:
        """The address to run in, with the images that the configuration names.

        Raises:
            UnknownName: The configuration has no image of that name.
            FeatureNotAvailable: The image would have to be built.
        """
        if self._ref_name is not None:
            if self._ref_name in images:
                return images[self._ref_name]
            if self._ref_name == "default":
                return default_image_uri()
            raise UnknownName(
                f"The configuration has no image {self._ref_name!r}; it has: {', '.join(sorted(images)) or 'none'}. "
                f"Add it to image.image_refs in config.yaml, or give --image {self._ref_name}=ADDRESS."
            )
        if self.needs_build:
            raise FeatureNotAvailable(
                f"Image {self.name!r} would have to be built, which comes with a later version "
                "(docs/compatibility.md). Until then install what it needs into the Python that runs the tasks and "
                "leave image='auto', or name a finished image: Image.from_base('registry/name:tag')."
            )
        return self.uri


def is_default_image(image: str | Image | None) -> bool:
    """True for an image that nobody chose: `"auto"`, or the default one without any layer."""
    default = default_image_uri()
    if isinstance(image, Image):
        return not image.needs_build and image.base_image == default
    return image in ("auto", default)
