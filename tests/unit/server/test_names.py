"""Small pure parts of the control plane."""

from __future__ import annotations

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from flyte.errors import FlyteError, InvalidName, RpcError, StorageError
from flyte.model.ids import RunId, Scope
from flyte.server.blobs import INPUTS, UPLOADS
from flyte.server.engine.runs import new_run_name
from flyte.server.http.rpc import snake, to_connect
from flyte.server.services.caller import Caller
from flyte.server.store.port import StoreCorrupt, StoreUnavailable
from flyte.server.store.queries import queries


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RpcError("x", code="not_found"), Code.NOT_FOUND),
        (RpcError("x", code="no such code"), Code.FAILED_PRECONDITION),
        (RpcError("x", code="unknown"), Code.FAILED_PRECONDITION),
        (RpcError("x", code="canceled"), Code.FAILED_PRECONDITION),
        (InvalidName("x"), Code.INVALID_ARGUMENT),
        (StoreUnavailable("x"), Code.UNAVAILABLE),
        (StoreCorrupt("x"), Code.DATA_LOSS),
        (StorageError("x"), Code.INTERNAL),
        (FlyteError("x"), Code.FAILED_PRECONDITION),
        (KeyError("x"), Code.INTERNAL),
        (RecursionError(), Code.INTERNAL),
    ],
)
def test_no_error_is_ever_unknown_or_canceled(error: Exception, code: Code) -> None:
    assert to_connect(error).code is code


def test_an_error_of_the_protocol_is_passed_on() -> None:
    error = ConnectError(Code.ABORTED, "x")
    assert to_connect(error) is error


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CreateRun", "create_run"),
        ("GetActionDataURIs", "get_action_data_uris"),
        ("GetOAuth2Metadata", "get_oauth2_metadata"),
    ],
)
def test_methods_are_found_by_their_name_in_snake_case(name: str, expected: str) -> None:
    assert snake(name) == expected


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        ("127.0.0.1:5", True),
        ("127.9.9.9:5", True),
        ("::1:5", True),
        ("", True),
        ("10.0.0.1:5", False),
        ("fe80::1:5", False),
    ],
)
def test_callers_of_this_machine_are_known_by_their_address(address: str, is_loopback: bool) -> None:
    assert Caller("", address, "").is_loopback is is_loopback


def test_given_names_are_valid_and_do_not_repeat() -> None:
    names = {new_run_name() for _ in range(1000)}
    assert len(names) == 1000
    for name in names:
        RunId(Scope("p", "d"), name)


@pytest.mark.parametrize("folder", [INPUTS, UPLOADS])
def test_no_run_can_have_the_name_of_a_folder_of_ours(folder: str) -> None:
    with pytest.raises(InvalidName):
        RunId(Scope("p", "d"), folder)


def test_every_query_is_named_and_has_its_own_variant_for_a_dialect_or_is_common() -> None:
    assert queries("sqlite").keys() == queries("postgres").keys()
    assert all(sql.endswith(";") for sql in queries("sqlite").values())
