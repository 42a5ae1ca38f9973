"""The official distribution in the same environment is noticed."""

from __future__ import annotations

from importlib import metadata

import pytest

from flyte.client.neighbours import official_sdk_warning


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Make the environment seem to hold these distributions."""
    installed = {name.replace("_", "-"): version for name, version in versions.items()}

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)


def test_ours_alone_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, flyte_py="0.1.0")
    assert official_sdk_warning() is None


def test_the_official_one_beside_ours_is_told_in_one_sentence_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, flyte_py="0.1.0", flyte="2.12.1")
    warning = official_sdk_warning()
    assert warning is not None
    assert "flyte 2.12.1" in warning
    assert "flyte-py 0.1.0" in warning
    assert "pip uninstall flyte flyte-py" in warning
    assert "\n" not in warning


def test_a_checkout_that_is_not_installed_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, flyte="2.12.1")
    assert official_sdk_warning() is None
