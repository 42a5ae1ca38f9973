"""A command that talked to a backend ends with its own exit code, also when it ends right after the answer."""

from __future__ import annotations

import concurrent.futures
import subprocess
from typing import Any, Protocol


class BackendLike(Protocol):
    """The part of the backend fixture that is used here."""

    def cli(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]: ...


def test_many_at_once_never_end_by_a_signal(backend: BackendLike) -> None:
    # Without `main._leave` about one in ten of these is killed by SIGABRT while the interpreter is taken down.
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        ended = list(pool.map(lambda _: backend.cli("get", "run", "nope").returncode, range(40)))
    assert set(ended) == {1}
