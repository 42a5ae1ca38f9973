"""`a0`: the program that a backend starts for one attempt (wire_protocol §3.4, §5).

It downloads the code bundle, finds the task, converts the inputs, runs the function, and leaves outputs.pb or
error.pb below the output path. It exits with 0 in both cases: the backend reads what was left. Where neither can be
left it exits with 1, and its log says why.
"""

from __future__ import annotations

import argparse
import array
import asyncio
import atexit
import contextlib
import faulthandler
import fcntl
import inspect
import logging
import os
import pathlib
import signal
import stat
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NoReturn

from flyteidl2.task import common_pb2

from flyte.authoring.controller import Running, enter
from flyte.authoring.task import TaskTemplate
from flyte.client.session import Session, require_session, set_session
from flyte.client.transport import Address, ConnectTransport
from flyte.config.settings import Config, PlatformConfig, TaskConfig
from flyte.errors import FlyteError, InvalidValue, StorageError
from flyte.leaving import leave
from flyte.model.bundle import CodeBundle
from flyte.model.context import ActionID, CheckpointPaths, RawDataPath, TaskContext
from flyte.model.ids import ActionRef, RunId, Scope
from flyte.model.task import Placement
from flyte.runtime.controller import RemoteController
from flyte.runtime.invocation import as_parent_sees, refuse_pending_result, user_traceback
from flyte.runtime.loader import load_pickled, load_task, missing_module, prepare
from flyte.storage.port import join, store_for
from flyte.types.transformer import Conversion
from flyte.wire.documents import shortened
from flyte.wire.failures import error_document
from flyte.wire.imagecache import decode_image_cache
from flyte.wire.inputs import context_from_pb, inputs_from_pb, outputs_to_pb, refuse_oversized

log = logging.getLogger("flyte")

_TOKEN_FILE_VARIABLE = "FLYTE_ATTEMPT_TOKEN_FILE"  # noqa: S105  the name of a variable
_KEY_VARIABLE = "_UNION_EAGER_API_KEY"
_DRAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Options:
    """The command line, with what the environment adds."""

    inputs: str
    outputs_path: str
    version: str
    raw_data_path: str
    checkpoint_path: str | None
    prev_checkpoint: str | None
    run_start_time: datetime
    image_cache: str | None
    bundle: CodeBundle | None
    module: str
    variable: str
    action: ActionRef
    run_base_dir: str
    endpoint: str
    insecure: bool


def _parser() -> argparse.ArgumentParser:
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="a0", description="Run one attempt of a task. Started by a backend.")
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--outputs-path", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--raw-data-path", default=env("RAW_DATA_PATH", ""))
    parser.add_argument("--checkpoint-path", default="")
    parser.add_argument("--prev-checkpoint", default="")
    parser.add_argument("--run-name", default=env("RUN_NAME"))
    parser.add_argument("--name", default=env("ACTION_NAME"))
    parser.add_argument("--run-start-time", default="")
    parser.add_argument("--run-base-dir", default=env("_U_RUN_BASE"))
    parser.add_argument("--project", default=env("FLYTE_INTERNAL_EXECUTION_PROJECT"))
    parser.add_argument("--domain", default=env("FLYTE_INTERNAL_EXECUTION_DOMAIN"))
    parser.add_argument("--org", default=env("_U_ORG_NAME"))
    parser.add_argument("--image-cache", default="")
    parser.add_argument("--tgz", default="")
    parser.add_argument("--pkl", default="")
    parser.add_argument("--dest", default=".")
    parser.add_argument("--resolver", default="")
    parser.add_argument("--debug", action="store_true")
    parser.add_argument("--interactive-mode", action="store_true")
    parser.add_argument("resolver_args", nargs="*")
    return parser


def parse(argv: list[str]) -> Options:
    """Read the command line and the environment.

    Raises:
        InvalidValue: Something that the contract demands is missing.
    """
    given = _parser().parse_args(argv)
    filled = {name: _filled(getattr(given, name)) for name in ("run_name", "name")}
    run_name = filled["run_name"] or os.environ.get("RUN_NAME", "")
    name = filled["name"] or os.environ.get("ACTION_NAME", "")
    for what, value in {
        "--run-name": run_name, "--name": name, "--project": given.project, "--domain": given.domain,
        "--run-base-dir": given.run_base_dir,
    }.items():  # fmt: skip
        if not value:
            raise InvalidValue(f"a0 needs {what}, or the environment variable that stands for it.")
    bundle = None
    if given.tgz or given.pkl:
        bundle = CodeBundle(
            computed_version=given.version,
            destination=given.dest,
            tgz=given.tgz or None,
            pkl=given.pkl or None,
        )
    pairs = dict(zip(given.resolver_args[::2], given.resolver_args[1::2], strict=False))
    return Options(
        inputs=given.inputs,
        outputs_path=given.outputs_path,
        version=given.version,
        raw_data_path=_filled(given.raw_data_path) or join(given.outputs_path, "raw"),
        checkpoint_path=_filled(given.checkpoint_path) or None,
        prev_checkpoint=_filled(given.prev_checkpoint).strip('"') or None,
        run_start_time=_start_time(given.run_start_time),
        image_cache=given.image_cache or None,
        bundle=bundle,
        module=pairs.get("mod", ""),
        variable=pairs.get("instance", ""),
        action=ActionRef(RunId(Scope(given.project, given.domain, given.org or ""), run_name), name),
        run_base_dir=given.run_base_dir,
        endpoint=os.environ.get("_U_EP_OVERRIDE", "host.docker.internal:8090"),
        insecure=_insecure(),
    )


def _filled(value: str | None) -> str:
    """A placeholder that the backend did not fill in counts as nothing."""
    return "" if value is None or value.startswith("{{") else value


def _insecure() -> bool:
    said = os.environ.get("_U_INSECURE", "").lower()
    if said:
        return said in ("true", "1")
    return any(part in os.environ.get("_U_EP_OVERRIDE", "docker") for part in ("localhost", "docker"))


def _start_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(_filled(text).replace("Z", "+00:00")).astimezone(UTC)
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)


def _token() -> str:
    """This attempt's credential. After this neither the environment nor the disk has it."""
    os.environ.pop(_KEY_VARIABLE, None)
    path = os.environ.pop(_TOKEN_FILE_VARIABLE, "")
    if not path:
        return ""
    file = pathlib.Path(path)
    try:
        token = file.read_text(encoding="utf-8").strip()
        file.unlink()
    except OSError as e:
        log.warning("the attempt's token cannot be read: %s", e)
        return ""
    return token


def _initialise(options: Options) -> ConnectTransport:
    """Make the backend known to user code, and the client that children are started with."""
    token = _token()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    scheme = "http" if options.insecure else "https"
    address = Address(f"{scheme}://{options.endpoint.removeprefix('dns:///')}")
    scope = options.action.run.scope
    config = Config(
        platform=PlatformConfig(endpoint=options.endpoint, insecure=options.insecure),
        task=TaskConfig(org=scope.org, project=scope.project, domain=scope.domain),
    )
    transport = ConnectTransport(address, lambda: headers)
    set_session(Session(config=config, transport=transport, task_process="importing"))
    return ConnectTransport(address, lambda: headers, retries=0)


def _context(options: Options, inputs: common_pb2.Inputs, bundle: CodeBundle | None) -> TaskContext:
    run = options.action.run
    return TaskContext(
        action=ActionID(
            name=options.action.name,
            run_name=run.name,
            project=run.scope.project,
            domain=run.scope.domain,
            org=run.scope.org or None,
        ),
        version=options.version,
        raw_data_path=RawDataPath(path=options.raw_data_path),
        input_path=options.inputs,
        output_path=options.outputs_path,
        run_base_dir=options.run_base_dir,
        checkpoint_paths=CheckpointPaths(options.prev_checkpoint, options.checkpoint_path),
        code_bundle=bundle,
        compiled_image_cache=options.image_cache,
        custom_context=context_from_pb(inputs),
        run_start_time=options.run_start_time,
        mode="remote",
    )


def run_attempt(options: Options, termination: Termination) -> None:
    """Run the attempt and leave its outputs.

    Raises:
        Exception: Whatever the task raised, or what kept it from being run.
    """
    transport = _initialise(options)
    bundle = prepare(options.bundle)
    task = load_pickled(bundle) if bundle is not None and bundle.pkl else load_task(options.module, options.variable)
    set_session(replace(require_session(), task_process="running"))
    inputs = common_pb2.Inputs.FromString(store_for(options.inputs).read(options.inputs))
    context = _context(options, inputs, bundle)
    conversion = Conversion(context.raw_data_path)
    refuse_oversized(inputs, task.max_inline_io_bytes, task.name, "inputs")
    arguments = inputs_from_pb(task.interface, inputs, conversion, task.name)
    scope = options.action.run.scope
    placement = Placement(
        version=options.version,
        project=scope.project,
        domain=scope.domain,
        org=scope.org,
        code_bundle=bundle,
        image_cache=options.image_cache,
        root_dir=pathlib.Path(options.bundle.destination).absolute() if options.bundle else pathlib.Path.cwd(),
    )
    controller = RemoteController(
        transport, options.action, options.run_base_dir, placement, decode_image_cache(options.image_cache)
    )
    termination.at_signal(controller.let_go)
    try:
        with enter(Running(context, controller)):
            result = _call(task, arguments)
    finally:
        controller.close()
    refuse_pending_result(result, task.name)
    outputs = outputs_to_pb(task.interface, result, conversion, task.name)
    uri = join(options.outputs_path, "outputs.pb")
    store_for(uri).write(uri, refuse_oversized(outputs, task.max_inline_io_bytes, task.name, "outputs"))


def _call(task: TaskTemplate[..., Any], arguments: dict[str, Any]) -> Any:
    result = task.forward(**arguments)
    if not inspect.isawaitable(result):
        return result

    async def wait() -> Any:
        return await result

    return asyncio.run(wait())


def _log_level() -> int | str:
    """LOG_LEVEL by name or number; WARNING for anything else."""
    said = os.environ.get("LOG_LEVEL", "WARNING").upper()
    if said.isdigit():
        return int(said)
    return said if said in logging.getLevelNamesMapping() else "WARNING"


class Terminated(SystemExit):
    """SIGTERM came. A SystemExit, because event loops hand only that through to the caller."""


class Termination:
    """What happens at SIGTERM: the task is unwound, so that its `finally` blocks run, and the process ends by it."""

    def __init__(self) -> None:
        self.came = False
        self._at_signal: list[Callable[[], None]] = []

    def install(self) -> None:
        """Handle the signal from now on. Only the first one counts."""
        signal.signal(signal.SIGTERM, self._handle)

    def at_signal(self, function: Callable[[], None]) -> None:
        """Call a function as soon as the signal comes. It must not block."""
        self._at_signal.append(function)

    def _handle(self, number: int, frame: object) -> None:
        if self.came:
            return
        self.came = True
        for function in self._at_signal:
            function()
        raise Terminated(128 + number)

    def end(self) -> NoReturn:
        """End the process by the signal, so that whoever started it sees that."""
        _flush()
        _drain_output()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("unreachable")


def main(argv: list[str] | None = None) -> int:
    """The entry point; gives the exit code."""
    logging.basicConfig(level=_log_level(), format="%(levelname)s %(name)s %(message)s")
    atexit.register(_drain_output)
    with contextlib.suppress(ValueError, OSError, AttributeError, RuntimeError):
        faulthandler.enable()
        faulthandler.register(signal.SIGUSR1)
    termination = Termination()
    termination.install()
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
    except FlyteError as e:
        print(f"a0: {e}", file=sys.stderr)  # noqa: T201  this module is a program
        return 2
    error: BaseException | None = None
    try:
        run_attempt(options, termination)
    except BaseException as e:  # noqa: BLE001  whatever ends a task is its failure
        error = e
    if termination.came:
        if error is not None and not isinstance(error, Terminated):
            _print_traceback(error)
        termination.end()
    code = 0
    if error is not None:
        try:
            _leave_error(options, error)
        except StorageError as e:
            print(f"a0: the error cannot be left for the backend: {e}", file=sys.stderr)  # noqa: T201
            code = 1
    _flush()
    if argv is None:
        leave(code)
    return code


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError, AttributeError):  # the task may have closed or replaced them
            stream.flush()


def _drain_output() -> None:
    """Let whoever keeps the log read what is still in the pipe: with the last process that has it open, it is gone.

    That takes a moment only while a supervisor is replaced by its successor.
    """
    wait, deadline = 0.001, time.monotonic() + _DRAIN_SECONDS
    with contextlib.suppress(OSError, ValueError):
        if not stat.S_ISFIFO(os.fstat(1).st_mode):
            return
        while time.monotonic() < deadline:
            waiting = array.array("i", [0])
            fcntl.ioctl(1, termios.FIONREAD, waiting)
            if not waiting[0]:
                return
            time.sleep(wait)
            wait = min(2 * wait, 0.2)


def _print_traceback(error: BaseException) -> None:
    with contextlib.suppress(ValueError, OSError, AttributeError):
        print(user_traceback(error), file=sys.stderr or sys.__stderr__, end="")


def _leave_error(options: Options, error: BaseException) -> None:
    _print_traceback(error)
    seen = as_parent_sees(error)
    message = str(seen)
    if isinstance(error, ImportError) and not isinstance(error, FlyteError):
        message = f"{message.rstrip('.')}. {missing_module(error)}"
    # Text that cannot be encoded would leave no error at all.
    message = shortened(message.encode("utf-8", "backslashreplace").decode())
    document = error_document(seen if isinstance(error, SystemExit) else error, message)
    uri = join(options.outputs_path, "error.pb")
    store_for(uri).write(uri, document.SerializeToString())


if __name__ == "__main__":
    raise SystemExit(main())
