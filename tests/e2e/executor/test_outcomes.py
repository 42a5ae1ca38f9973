"""How an attempt can end, and what is said of it: through a real backend."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import signal
import sys
from typing import Any

import pytest

import flyte
import flyte.errors
from flyte.authoring.controller import Running, enter
from flyte.client.transport import Address, ConnectTransport
from flyte.model.context import ActionID, RawDataPath, TaskContext
from flyte.model.ids import ActionRef, RunId, Scope
from flyte.model.task import Placement
from flyte.runtime.controller import RemoteController

HERE = pathlib.Path(__file__).parent


@pytest.fixture(autouse=True)
def connected(backend: Any) -> None:
    flyte.init_from_config(backend.config, root_dir=HERE)


def failure(task: Any, **inputs: Any) -> tuple[Any, str, str]:
    """Run a task that fails: the run, the code and the message of its error."""
    run = flyte.run(task, **inputs)
    run.wait()
    assert run.status == "FAILED"
    with pytest.raises(flyte.errors.BaseRuntimeError) as raised:
        run.outputs()
    return run, raised.value.code, str(raised.value)


def log_of(run: Any, attempt: int | None = None) -> list[str]:
    return [str(line).rstrip("\n") for line in run.get_logs(attempt=attempt)]


def attempts_of(run: Any) -> int:
    return int(run.details().action_details.pb2.attempts[-1].attempt)


def test_a_task_knows_who_it_is_and_runs_in_a_fresh_folder(outcomes: Any, backend: Any, eventually: Any) -> None:
    run = flyte.with_runcontext(custom_context={"who": "me"}).run(outcomes.about)
    told = json.loads(run.outputs()[0])
    assert (told["project"], told["domain"]) == ("flytesnacks", "development")
    assert (told["run"], told["action"], told["attempt"]) == (run.name, "a0", 0)
    assert (told["mode"], told["in_cluster"], told["custom"]) == ("remote", True, {"who": "me"})
    assert told["outputs"].endswith(f"{run.name}/a0/1")
    assert told["secrets"] == []
    assert not told["token_file"]
    assert "outcomes.py" in told["files"]
    assert pathlib.Path(told["cwd"]).is_relative_to(backend.data)
    eventually(lambda: not pathlib.Path(told["cwd"]).exists(), "the removal of the working directory")


def test_a_child_inherits_context_and_is_in_its_group(outcomes: Any) -> None:
    run = flyte.with_runcontext(custom_context={"who": "me"}).run(outcomes.about_a_child)
    told = json.loads(run.outputs()[0])
    assert told["run"] == run.name
    assert told["action"] != "a0"
    assert told["custom"] == {"who": "me"}


@pytest.mark.parametrize("code", [0, 3])
def test_sys_exit_is_a_failure_that_says_so(outcomes: Any, code: int) -> None:
    _, _, message = failure(outcomes.exits_by_sys, code=code)
    assert f"sys.exit({code})" in message


def test_leaving_at_once_with_0_is_a_failure_without_outputs(outcomes: Any) -> None:
    run, code, message = failure(outcomes.exits_at_once, code=0)
    assert code == "OutputsNotFound"
    assert "exit code 0" in message
    assert attempts_of(run) == 1, "it is the user's mistake: no retry was asked for"


def test_leaving_at_once_with_3_names_the_exit_code(outcomes: Any) -> None:
    run, code, message = failure(outcomes.exits_at_once, code=3)
    assert code == "NonZeroExit"
    assert "exit code 3" in message
    assert attempts_of(run) == 1


def test_a_crash_in_native_code_names_the_signal_and_leaves_its_stack_in_the_log(outcomes: Any) -> None:
    run, code, message = failure(outcomes.crashes)
    assert "SIGSEGV" in code
    assert "native code" in message
    log = "\n".join(log_of(run))
    assert "Fatal Python error: Segmentation fault" in log
    assert "in crashes" in log
    assert attempts_of(run) == 1


def test_a_bus_error_says_what_mostly_causes_it(outcomes: Any) -> None:
    _, code, message = failure(outcomes.kills_itself, number=int(signal.SIGBUS))
    assert "SIGBUS" in code
    assert "a file was cut short while in use" in message


def test_a_call_that_is_returned_before_it_was_awaited_names_the_remedy(outcomes: Any) -> None:
    _, code, message = failure(outcomes.returns_a_call_unawaited)
    assert code == "SyncTaskCallInAsyncContextError"
    assert "write `await leaves_a_pool_open(...)`" in message


def test_a_task_killed_from_outside_is_retried_on_the_system_budget(outcomes: Any) -> None:
    run, code, message = failure(outcomes.kills_itself, number=int(signal.SIGKILL))
    assert "SIGKILL" in code
    assert "killed" in message
    assert attempts_of(run) == 4


def test_an_exception_keeps_its_class_message_and_causes(outcomes: Any) -> None:
    run, code, message = failure(outcomes.fails_with_a_cause)
    assert (code, message) == ("ValueError", "outer")
    log = "\n".join(log_of(run))
    assert "KeyError: 'inner'" in log
    assert "direct cause" in log
    assert "ValueError: outer" in log
    assert "a0.py" not in log, "the user's own frames are enough"


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("base", "Odd", "not an Exception"),
        ("interrupt", "KeyboardInterrupt", "by hand"),
        ("unprintable", "Unprintable", "without a readable message"),
        ("surrogate", "ValueError", "bad \\udcff text"),
        ("long", "ValueError", "characters left out"),
        ("group", "ExceptionGroup", "several"),
    ],
)
def test_whatever_is_raised_becomes_an_error(outcomes: Any, what: str, code: str, words: str) -> None:
    run, found, message = failure(outcomes.raises, what=what)
    assert found == code
    assert words in message
    assert len(message) < 100_000
    assert attempts_of(run) == 1


def test_results_that_cannot_be_kept_say_which_and_why(outcomes: Any) -> None:
    _, _, message = failure(outcomes.returns_a_lock)
    assert "pickle" in message
    assert "returns_a_lock" in message or "lock" in message
    _, _, message = failure(outcomes.returns_the_wrong_type)
    assert "int" in message and "str" in message
    _, _, message = failure(outcomes.returns_too_much)
    assert "returns_too_much" in message
    assert "10" in message, "the limit is named"


def test_a_missing_module_names_interpreter_module_and_remedies(outcomes: Any) -> None:
    _, code, message = failure(outcomes.imports_what_is_absent)
    assert code == "ModuleNotFoundError"
    assert sys.executable in message
    assert "'surely_not_installed'" in message
    assert "pip install surely_not_installed" in message
    assert "with_pip_packages" in message


def test_a_module_that_cannot_be_imported_is_a_clear_error(backend: Any, tmp_path: pathlib.Path) -> None:
    program = tmp_path / "fragile.py"
    program.write_text(
        "import os\nimport flyte\n"
        "if 'ACTION_NAME' in os.environ:\n    import surely_not_installed\n"
        "env = flyte.TaskEnvironment('fragile')\n"
        "@env.task\ndef main() -> int:\n    return 1\n"
    )
    done = backend.cli("run", str(program), "main", cwd=tmp_path)
    assert done.returncode == 1
    assert "'surely_not_installed'" in done.stderr
    assert "Importing fragile failed" in done.stderr


def test_inputs_that_are_gone_are_a_clear_error(outcomes: Any) -> None:
    run, code, message = failure(outcomes.takes_its_inputs_away, x=1)
    assert attempts_of(run) == 2
    assert code == "NotFound"
    assert "There is no object at" in message
    assert run.name in message or "inputs" in message


def test_every_retry_is_an_attempt_with_its_own_folder_and_log(outcomes: Any, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "tried"
    run = flyte.run(outcomes.succeeds_at_last, file=str(file))
    assert run.outputs()[0] == 2
    lines = [line.split() for line in file.read_text().splitlines()]
    assert [number for number, _ in lines] == ["0", "1", "2"]
    assert len({folder for _, folder in lines}) == 3
    for attempt in (1, 2, 3):
        assert any(f"this is attempt {attempt - 1}" in line for line in log_of(run, attempt))


def test_an_error_that_cannot_be_recovered_is_not_retried(outcomes: Any, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "tried"
    failure(outcomes.is_not_worth_retrying, file=str(file))
    assert file.read_text() == "tried\n"


def test_both_streams_come_in_the_order_in_which_they_were_written(outcomes: Any) -> None:
    run = flyte.run(outcomes.prints_on_both)
    run.wait()
    assert run.status == "SUCCEEDED"
    expected = [text for i in range(200) for text in (f"out {i}", f"err {i}")]
    assert log_of(run) == [*expected, "raw", "from a shell", "to its stderr"]


def test_a_task_may_close_its_output(outcomes: Any) -> None:
    assert flyte.run(outcomes.closes_its_output).outputs()[0] == 5


def test_a_task_may_leave_a_thread_pool_open(outcomes: Any) -> None:
    assert flyte.run(outcomes.leaves_a_pool_open).outputs()[0] == 4


def test_leaving_at_once_is_a_failure_also_where_no_outputs_are_promised(outcomes: Any) -> None:
    _, code, _ = failure(outcomes.exits_at_once_without_outputs)
    assert code == "OutputsNotFound"


@pytest.mark.parametrize("name", ["sleeps_and_cleans_up", "async_sleeps_and_cleans_up"])
def test_an_aborted_task_runs_its_finally_blocks(
    outcomes: Any, tmp_path: pathlib.Path, eventually: Any, name: str
) -> None:
    file = tmp_path / "notes"
    run = flyte.run(getattr(outcomes, name), file=str(file))
    pid = eventually(lambda: file.exists() and file.read_text().split(), "the start")[1]
    run.abort()
    eventually(lambda: "cleaned up" in file.read_text(), "the finally block")
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the process")
    run.wait()
    assert run.status == "ABORTED"


def test_an_aborted_task_that_ignores_the_signal_is_killed(
    outcomes: Any, tmp_path: pathlib.Path, eventually: Any
) -> None:
    file = tmp_path / "notes"
    run = flyte.run(outcomes.ignores_the_signal, file=str(file))
    pid = eventually(lambda: file.exists() and file.read_text().split(), "the start")[1]
    run.abort()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the process", 20)


async def ask_for_a_child(backend: Any, told: str, run: str, task: Any, action: str = "a0") -> None:
    """Ask as a task process does that was given what `told` tells."""
    headers, base = json.loads(told)
    scope = Scope("flytesnacks", "development", "local")
    placement = Placement(version="v", project="flytesnacks", domain="development", org="local", root_dir=HERE)
    controller = RemoteController(
        ConnectTransport(Address(backend.url), lambda: headers, retries=0),
        ActionRef(RunId(scope, run), action),
        base,
        placement,
    )
    context = TaskContext(
        action=ActionID(name=action, run_name=run, project="flytesnacks", domain="development"),
        version="v",
        raw_data_path=RawDataPath(path=base),
        output_path=base,
        run_base_dir=base,
    )
    try:
        with enter(Running(context, controller)):
            await task()
    finally:
        controller.close()


async def test_a_superseded_attempt_cannot_start_children(
    outcomes: Any, backend: Any, tmp_path: pathlib.Path, eventually: Any
) -> None:
    file = tmp_path / "told"
    run = await flyte.run.aio(outcomes.tells_its_token, file=str(file))
    old, new = await asyncio.to_thread(
        eventually,
        lambda: (told := file.exists() and file.read_text().splitlines()) and len(told) == 2 and told,
        "both",
    )
    assert json.loads(old)[0]["authorization"] != json.loads(new)[0]["authorization"]
    task = outcomes.never_run_by_a_zombie
    with pytest.raises(flyte.errors.BaseRuntimeError, match="lease is over"):
        await ask_for_a_child(backend, old, run.name, task)
    with pytest.raises(flyte.errors.BaseRuntimeError, match="cannot act for action another"):
        await ask_for_a_child(backend, new, run.name, task, action="another")
    await run.abort.aio()
