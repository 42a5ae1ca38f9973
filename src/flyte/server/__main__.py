"""`python -m flyte.server`: run a control plane in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import logging
import pathlib
import signal
import sys

from flyte.errors import FlyteError
from flyte.server.app import ControlPlane
from flyte.server.settings import DEFAULT_PORT, ServerSettings, default_slots


def main(argv: list[str] | None = None) -> int:
    """Run until a signal comes; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m flyte.server", description="The flyte control plane.")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="data folder")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen on, 0 for a free one")
    parser.add_argument("--task-python", default=sys.executable, help="Python of tasks whose image names none")
    parser.add_argument("--slots", type=int, default=default_slots(), help="how many tasks run at once")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds that tasks get to finish at the end")
    parser.add_argument("--keep-tasks", action="store_true", help="leave tasks running when this process ends")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = ServerSettings(
        data=options.data.expanduser().absolute(),
        host=options.host,
        port=options.port,
        task_python=options.task_python,
        slots=options.slots,
    )
    try:
        _run(settings, keep_tasks=options.keep_tasks, grace_seconds=options.grace)
    except FlyteError as e:
        print(f"Error: {e}", file=sys.stderr)  # noqa: T201  this module is a program
        return 1
    return 0


def _run(settings: ServerSettings, *, keep_tasks: bool, grace_seconds: float) -> None:
    async def run() -> None:
        plane = ControlPlane(settings)
        plane.keep_tasks, plane.grace_seconds = keep_tasks, grace_seconds
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, plane.stop)
            await plane.open()
            logging.getLogger("flyte.server").info("listening on %s, data in %s", plane.url, settings.data)
            await plane.serve()
        finally:
            await plane.close()

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


if __name__ == "__main__":
    raise SystemExit(main())
