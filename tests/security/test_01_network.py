"""Rule 1: loopback only."""

from __future__ import annotations

import pathlib
import socket
import stat
import subprocess
import sys

import pytest

from flyte.errors import BackendError
from flyte.server.app import listen
from tests.conftest import Backend


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com", "", "127.0.0.1.evil.example"])
def test_01_a_host_beyond_loopback_is_refused_before_anything_is_opened(tmp_path: pathlib.Path, host: str) -> None:
    command = [sys.executable, "-m", "flyte.server", "--data", str(tmp_path / "data"), "--port", "0", "--host", host]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "cannot listen" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_01_only_the_loopback_address_is_bound(backend: Backend) -> None:
    addresses = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A" and int(port, 16) == backend.port:
                addresses.add(address)
    assert addresses == {"0100007F"}


def test_01_the_data_folder_is_its_owners_alone(backend: Backend) -> None:
    assert stat.S_IMODE(backend.data.stat().st_mode) == 0o700


@pytest.mark.parametrize("port", ["-1", "65536", "99999999999999999999"])
def test_01_an_impossible_port_is_refused_with_a_sentence(tmp_path: pathlib.Path, port: str) -> None:
    command = [sys.executable, "-m", "flyte.server", "--data", str(tmp_path / "data"), f"--port={port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "There is no port" in done.stderr and "Traceback" not in done.stderr


def test_01_a_port_of_another_program_is_refused_with_a_sentence(tmp_path: pathlib.Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        command = [sys.executable, "-m", "flyte.server", "--data", str(tmp_path / "data"), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "is taken by another program" in done.stderr and "Traceback" not in done.stderr


def test_01_an_address_that_is_not_this_machines_is_not_called_taken() -> None:
    with pytest.raises(BackendError) as caught:
        listen("192.0.2.1", 0)
    assert "cannot listen on port 0 of 192.0.2.1" in str(caught.value) and caught.value.code != "PortTaken"


@pytest.mark.parametrize("broken", ["file", "foreign", "lock", "blobs", "backend.json"])
def test_01_a_data_folder_that_cannot_be_used_is_refused_with_a_sentence(tmp_path: pathlib.Path, broken: str) -> None:
    data = tmp_path / "data"
    if broken == "file":
        data.write_text("a file")
    elif broken == "blobs":
        data.mkdir()
        (data / broken).write_text("a file")
    elif broken != "foreign":
        (data / broken).mkdir(parents=True)
    else:
        data.mkdir()
        (data / "flyte.db").write_bytes(b"this is not a database" * 100)
    command = [sys.executable, "-m", "flyte.server", "--data", str(data), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and str(data) in done.stderr and "Traceback" not in done.stderr


def test_01_a_signal_ends_the_backend_cleanly_and_removes_its_record(tmp_path: pathlib.Path) -> None:
    backend = Backend(tmp_path / "home").start()
    assert (backend.data / "backend.json").exists()
    backend.stop()
    assert backend.process is not None and backend.process.returncode == 0
    assert not (backend.data / "backend.json").exists()
