"""The executor port's data ⇄ the messages of worker.proto."""

from __future__ import annotations

from flyte.server.executors.port import AttemptEnded, AttemptKey, AttemptStarted, Launch
from flyte.wire.gen.flyte.backend.v1 import worker_pb2


def key_to_pb(key: AttemptKey) -> worker_pb2.AttemptRef:
    """An attempt."""
    return worker_pb2.AttemptRef(
        project=key.project,
        domain=key.domain,
        run=key.run,
        action=key.action,
        attempt=key.attempt,
        epoch=key.epoch,
    )


def key_from_pb(pb: worker_pb2.AttemptRef) -> AttemptKey:
    """An attempt."""
    return AttemptKey(pb.project, pb.domain, pb.run, pb.action, pb.attempt, pb.epoch)


def launch_to_pb(launch: Launch) -> worker_pb2.Start:
    """The order to start an attempt."""
    return worker_pb2.Start(
        attempt=key_to_pb(launch.key),
        argv=launch.argv,
        env=launch.env,
        output_prefix=launch.output_prefix,
        expects_outputs=launch.expects_outputs,
        token=launch.token,
        interpreter=launch.interpreter,
    )


def launch_from_pb(pb: worker_pb2.Start) -> Launch:
    """The order to start an attempt."""
    return Launch(
        key=key_from_pb(pb.attempt),
        argv=tuple(pb.argv),
        env=dict(pb.env),
        output_prefix=pb.output_prefix,
        expects_outputs=pb.expects_outputs,
        token=pb.token,
        interpreter=pb.interpreter,
    )


def started_from_pb(pb: worker_pb2.Started) -> AttemptStarted:
    """The process runs."""
    return AttemptStarted(key_from_pb(pb.attempt), pb.at_us)


def ended_to_pb(ended: AttemptEnded) -> worker_pb2.Ended:
    """The process is gone."""
    return worker_pb2.Ended(
        attempt=key_to_pb(ended.key),
        at_us=ended.at,
        exit_code=ended.exit_code,
        signal=ended.signal,
        has_outputs=ended.has_outputs,
        error_document=ended.error_document,
        lost_reason=ended.lost_reason,
        stopped=ended.was_stopped,
        peak_memory_bytes=ended.peak_memory_bytes,
        cpu_seconds=ended.cpu_seconds,
    )


def ended_from_pb(pb: worker_pb2.Ended) -> AttemptEnded:
    """The process is gone."""
    return AttemptEnded(
        key=key_from_pb(pb.attempt),
        at=pb.at_us,
        exit_code=pb.exit_code if pb.HasField("exit_code") else None,
        signal=pb.signal,
        has_outputs=pb.has_outputs,
        error_document=pb.error_document,
        lost_reason=pb.lost_reason,
        was_stopped=pb.stopped,
        peak_memory_bytes=pb.peak_memory_bytes,
        cpu_seconds=pb.cpu_seconds,
    )
