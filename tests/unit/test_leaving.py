"""How a program of ours ends: everything that Python does at the end is done, and the exit code is the one given."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


def left(code: str, *, with_client: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program that ends by `leave(3)`."""
    head = "import pyqwest\n" if with_client else ""
    program = head + textwrap.dedent(code) + "\nfrom flyte.leaving import leave\nleave(3)\n"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("with_client", [True, False])
def test_the_exit_code_is_the_one_that_was_given(with_client: bool) -> None:
    assert left("print('x', end='')", with_client=with_client).returncode == 3


@pytest.mark.parametrize("with_client", [True, False])
def test_a_thread_pool_that_nobody_closed_does_not_keep_the_program_alive(with_client: bool) -> None:
    done = left(
        """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        pool.submit(print, "worked").result()
        """,
        with_client=with_client,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "worked\n", "")


@pytest.mark.parametrize("with_client", [True, False])
def test_threads_are_waited_for_and_then_what_was_registered_for_the_end_runs(with_client: bool) -> None:
    done = left(
        """
        import atexit, sys, threading
        main = threading.main_thread()
        def work():
            main.join(0.2)
            print("thread")
        atexit.register(print, "exit")
        threading.Thread(target=work).start()
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        """,
        with_client=with_client,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "thread\nexit\n", "")
