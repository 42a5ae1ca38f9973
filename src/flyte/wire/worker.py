"""Frames between the control plane and its supervisors: four bytes of length, then one message."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError

from flyte.wire.gen.flyte.backend.v1 import worker_pb2

LARGEST_FRAME = 64 * 1024 * 1024
CONGESTED_ABOVE = 1024 * 1024
"""Bytes that wait to be sent; beyond this nothing is added that can be said later."""

M = TypeVar("M", worker_pb2.ToSupervisor, worker_pb2.FromSupervisor)


class FrameError(ConnectionError):
    """The other side sent something that is no frame."""


class Channel(Generic[M]):
    """One side of a connection. Messages of type `M` come in; anything serialisable goes out, in order.

    Args:
        incoming: The class of the messages that come in.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, incoming: type[M]) -> None:
        self._reader = reader
        self._writer = writer
        self._incoming: type[M] = incoming

    def send(self, message: worker_pb2.ToSupervisor | worker_pb2.FromSupervisor) -> None:
        """Queue a message for sending; nothing happens once the connection is gone."""
        if self._writer.is_closing():
            return
        data = message.SerializeToString()
        self._writer.write(struct.pack(">I", len(data)) + data)

    @property
    def is_congested(self) -> bool:
        """True while the other side does not take what it was sent."""
        return self._writer.transport.get_write_buffer_size() > CONGESTED_ABOVE

    async def messages(self) -> AsyncIterator[M]:
        """What comes in, until the connection ends.

        Raises:
            FrameError: Not a frame.
            ConnectionError: The connection broke.
        """
        while True:
            try:
                (length,) = struct.unpack(">I", await self._reader.readexactly(4))
                if length > LARGEST_FRAME:
                    raise FrameError(f"A frame of {length:,} bytes is larger than allowed.")
                data = await self._reader.readexactly(length)
            except asyncio.IncompleteReadError:
                return
            try:
                message = self._incoming.FromString(data)
            except DecodeError as e:
                raise FrameError(f"A frame of {length:,} bytes is no message.") from e
            yield message

    def close(self) -> None:
        """End the connection."""
        self._writer.close()
