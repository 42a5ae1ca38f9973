"""A command that talked to a backend ends with its own exit code, also when it ends right after the answer."""

from __future__ import annotations

import concurrent.futures

from tests.conftest import Backend


def test_many_at_once_never_end_by_a_signal(backend: Backend) -> None:
    # Without `flyte.leaving.leave` about one in ten of these is killed by SIGABRT while the interpreter is taken down.
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        ended = list(pool.map(lambda _: backend.cli("get", "run", "nope").returncode, range(40)))
    assert set(ended) == {1}
