"""Signed addresses for uploads and downloads: bound to method, key, size, checksum and time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass

LONGEST_LIFE_SECONDS = 15 * 60


@dataclass(frozen=True, slots=True)
class Grant:
    """What a signed address allows.

    Args:
        key: Below the blob root, segments joined by slashes.
        expires_at: Seconds since 1970.
        md5: The checksum that the body must have, base64; empty for any.
        size: The most bytes that the body may have.
    """

    method: str
    key: str
    expires_at: int
    md5: str = ""
    size: int = 0


class Signer:
    """Makes and checks tickets. Needs nothing but its key, so that any replica can check them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @staticmethod
    def new_key() -> str:
        """A key to keep with the database."""
        return secrets.token_hex(32)

    def sign(self, grant: Grant) -> str:
        """A ticket for a grant."""
        payload = base64.urlsafe_b64encode(json.dumps(asdict(grant), separators=(",", ":")).encode()).rstrip(b"=")
        return f"{payload.decode()}.{self._digest(payload)}"

    def check(self, ticket: str, method: str) -> Grant | None:
        """The grant of a ticket; None when it is forged, over, or for something else."""
        payload, _, digest = ticket.partition(".")
        if not hmac.compare_digest(digest.encode(), self._digest(payload.encode()).encode()):
            return None
        try:
            grant = Grant(**json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
        except (ValueError, TypeError):
            return None
        if grant.method != method or grant.expires_at < time.time():
            return None
        return grant

    def _digest(self, payload: bytes) -> str:
        return base64.urlsafe_b64encode(hmac.new(self._key, payload, hashlib.sha256).digest()).rstrip(b"=").decode()
