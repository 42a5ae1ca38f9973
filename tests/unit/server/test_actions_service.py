"""ActionsService over HTTP: what running tasks ask for, and what they may not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flyte.errors import RpcError

SERVICE = "ActionsService"


async def enqueue(site: Any, make: Any, run: str, name: str, **fields: Any) -> None:
    bearer = fields.pop("bearer", "")
    await site.call(SERVICE, "Enqueue", bearer=bearer, action=make.child(run, name, **fields))


async def told(stream: Any) -> Any:
    """The next message: a child's name and phase, or the sentinel."""
    async with asyncio.timeout(10):
        message = await anext(stream)
    if message.WhichOneof("message") == "control_message":
        return "sentinel"
    return message.action_update.action_id.name, message.action_update.phase


async def test_a_watch_tells_the_children_then_a_sentinel_then_every_change(site: Any, make: Any) -> None:
    await site.run("w")
    await enqueue(site, make, "w", "c1")
    launch = await site.executor.launched("w", "c1")
    stream = site.stream(SERVICE, "WatchForUpdates", parent_action_id=make.action_id("w"))
    assert [await told(stream), await told(stream)] == [("c1", 3), "sentinel"]
    site.executor.succeed(launch, make.outputs(1))
    assert await told(stream) == ("c1", 5)
    await enqueue(site, make, "w", "c2")
    assert (await told(stream))[0] == "c2"
    await stream.aclose()


async def test_a_watch_tells_a_parent_of_its_own_children_only(site: Any, make: Any) -> None:
    await site.run("p")
    for name, parent in (("c1", "a0"), ("g1", "c1"), ("g2", "c1")):
        await enqueue(site, make, "p", name, parent=parent)
    stream = site.stream(SERVICE, "WatchForUpdates", parent_action_id=make.action_id("p", "c1"))
    assert [(await told(stream))[0], (await told(stream))[0], await told(stream)] == ["g1", "g2", "sentinel"]
    await stream.aclose()


async def test_a_watch_of_an_unknown_run_is_not_found(site: Any, make: Any) -> None:
    with pytest.raises(RpcError) as caught:
        await anext(site.stream(SERVICE, "WatchForUpdates", parent_action_id=make.action_id("nobody")))
    assert caught.value.code == "not_found"


async def test_a_succeeded_child_is_told_with_the_folder_of_its_outputs(site: Any, make: Any) -> None:
    await site.run("o")
    await enqueue(site, make, "o", "c1")
    site.executor.succeed(await site.executor.launched("o", "c1"))
    await site.phase("o", 5, "c1")
    stream = site.stream(SERVICE, "WatchForUpdates", parent_action_id=make.action_id("o"))
    message = await anext(stream)
    assert message.action_update.output_uri.endswith("/o/c1/1")
    await stream.aclose()


async def test_a_failed_child_is_told_with_its_error(site: Any, make: Any) -> None:
    await site.run("f")
    await enqueue(site, make, "f", "c1")
    site.executor.fail(await site.executor.launched("f", "c1"))
    await site.phase("f", 6, "c1")
    stream = site.stream(SERVICE, "WatchForUpdates", parent_action_id=make.action_id("f"))
    error = (await anext(stream)).action_update.error
    assert error.code == "NonZeroExit" and error.kind == 1
    await stream.aclose()


async def test_the_same_child_again_is_the_same_child(site: Any, make: Any) -> None:
    await site.run("i")
    await asyncio.gather(*(enqueue(site, make, "i", "c1") for _ in range(10)))
    await site.executor.launched("i", "c1")
    site.executor.succeed(await site.executor.launched("i"))
    await site.phase("i", 5)
    await enqueue(site, make, "i", "c1")  # also when its parent is over: the answer got lost on its way
    assert len([key for key in site.executor.launches if key.action == "c1"]) == 1


async def test_a_child_of_a_run_that_is_over_is_refused_as_aborted(site: Any, make: Any) -> None:
    await site.run("closed")
    await site.finish("closed")
    error = await site.refused(SERVICE, "Enqueue", action=make.child("closed", "late"))
    assert error.code == "aborted" and "succeeded" in error.message


@pytest.mark.parametrize(("run", "parent"), [("nobody", "a0"), ("known", "ghost")])
async def test_a_child_of_nobody_is_not_found(site: Any, make: Any, run: str, parent: str) -> None:
    await site.run("known")
    error = await site.refused(SERVICE, "Enqueue", action=make.child(run, "c1", parent))
    assert error.code == "not_found"


async def test_a_name_that_is_another_parents_child_is_refused(site: Any, make: Any) -> None:
    await site.run("n")
    await enqueue(site, make, "n", "c1")
    for name, parent in (("c1", "c1"), ("a0", "c1")):
        error = await site.refused(SERVICE, "Enqueue", action=make.child("n", name, parent))
        assert error.code == "invalid_argument" and "not a child" in error.message


@pytest.mark.parametrize("kind", ["trace", "condition"])
async def test_traces_and_conditions_are_not_offered_yet(site: Any, make: Any, kind: str) -> None:
    await site.run("k")
    action = make.child("k", "c1")
    del action["task"]
    error = await site.refused(SERVICE, "Enqueue", action={**action, kind: {"name": "x"}})
    assert error.code == "unimplemented" and kind in error.message


@pytest.mark.parametrize(
    "change", [{"parent_action_name": ""}, {"input_uri": ""}, {"action_id": {"name": "c1"}}, {"action_id": {}}]
)
async def test_an_incomplete_child_is_refused(site: Any, make: Any, change: dict[str, Any]) -> None:
    await site.run("inc")
    error = await site.refused(SERVICE, "Enqueue", action={**make.child("inc", "c1"), **change})
    assert error.code == "invalid_argument"


async def test_a_child_inherits_what_its_run_says(site: Any, make: Any) -> None:
    await site.run("envs", run_spec={"envs": {"values": [{"key": "GREETING", "value": "hello"}]}})
    await enqueue(site, make, "envs", "c1")
    assert (await site.executor.launched("envs", "c1")).env["GREETING"] == "hello"


async def test_a_childs_result_is_reused_by_its_cache_key(site: Any, make: Any) -> None:
    spec = make.task_spec("env.child", discoverable=True, discovery_version="1")
    task = {"id": {"name": "env.child", "version": "v1"}, "spec": spec, "cache_key": {"value": "the-key"}}
    await site.run("c")
    await enqueue(site, make, "c", "c1", task=task)
    site.executor.succeed(await site.executor.launched("c", "c1"))
    await site.phase("c", 5, "c1")
    await enqueue(site, make, "c", "c2", task=task)
    await site.phase("c", 5, "c2")
    assert not [key for key in site.executor.launches if key.action == "c2"]


async def test_an_abandoned_child_ends_with_everything_below_it(site: Any, make: Any) -> None:
    await site.run("a")
    await enqueue(site, make, "a", "c1")
    await enqueue(site, make, "a", "g1", parent="c1")
    await site.call(SERVICE, "Abort", action_id=make.action_id("a", "c1"))
    for name in ("c1", "g1"):
        await site.phase("a", 7, name)
    error = await site.refused(SERVICE, "Abort", action_id=make.action_id("a", "ghost"))
    assert error.code == "not_found"


async def test_a_task_acts_for_its_own_children_only(site: Any, make: Any) -> None:
    await site.run("mine")
    await site.run("theirs")
    token = (await site.executor.launched("mine")).token
    await enqueue(site, make, "mine", "c1", bearer=token)
    await enqueue(site, make, "theirs", "c1")
    await enqueue(site, make, "mine", "g1", parent="c1")
    foreign = {
        "Enqueue": {"action": make.child("theirs", "c2")},
        "Abort": {"action_id": make.action_id("theirs", "c1")},
    }
    for name, fields in foreign.items():
        error = await site.refused(SERVICE, name, bearer=token, **fields)
        assert error.code == "permission_denied" and "mine" in error.message
    error = await site.refused(SERVICE, "Abort", bearer=token, action_id=make.action_id("mine", "g1"))
    assert error.code == "permission_denied"
    with pytest.raises(RpcError) as caught:
        await anext(site.stream(SERVICE, "WatchForUpdates", bearer=token, parent_action_id=make.action_id("theirs")))
    assert caught.value.code == "permission_denied"
    await site.call(SERVICE, "Abort", bearer=token, action_id=make.action_id("mine", "c1"))
    await site.phase("theirs", 3, "c1")


async def test_an_attempt_whose_lease_is_over_can_do_nothing(site: Any, make: Any) -> None:
    spec = make.task_spec()
    spec.task_template.metadata.retries.retries = 1
    await site.run("zombie", spec)
    dead = await site.executor.launched("zombie")
    await enqueue(site, make, "zombie", "c1", bearer=dead.token)
    site.executor.fail(dead)
    alive = await site.executor.launched("zombie", attempt=2)
    await enqueue(site, make, "zombie", "c2", bearer=alive.token)
    for name, fields in (
        ("Enqueue", {"action": make.child("zombie", "c3")}),
        ("Abort", {"action_id": make.action_id("zombie", "c2")}),
    ):
        error = await site.refused(SERVICE, name, bearer=dead.token, **fields)
        assert error.code == "aborted" and "lease" in error.message
    await site.phase("zombie", 3, "c2")
    assert (
        await site.refused(SERVICE, "Enqueue", bearer="made-up", action=make.child("zombie", "c4"))
    ).code == "aborted"
