"""The image cache that travels on command lines: base64 of gzip of JSON (wire_protocol §3.1)."""

from __future__ import annotations

import base64
import gzip
import json


def encode_image_cache(images: dict[str, str]) -> str:
    """Environment name → address, as text. The same images give the same text."""
    lookup = {name: images[name] for name in sorted(images)}
    data = json.dumps({"image_lookup": lookup, "build_run_ids": {}}, separators=(",", ":")).encode()
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def decode_image_cache(text: str | None) -> dict[str, str]:
    """Environment name → address; empty for a cache that is missing or of another make."""
    if not text:
        return {}
    try:
        lookup = json.loads(gzip.decompress(base64.b64decode(text))).get("image_lookup", {})
    except (ValueError, OSError, EOFError):
        return {}
    return {str(k): v for k, v in lookup.items() if isinstance(v, str)} if isinstance(lookup, dict) else {}
