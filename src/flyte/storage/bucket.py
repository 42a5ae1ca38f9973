"""Objects in a bucket of S3, GCS or Azure, through `obstore`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from flyte.errors import StorageError


def _s3_options() -> dict[str, Any]:
    names = {
        "endpoint": "FLYTE_AWS_ENDPOINT",
        "access_key_id": "FLYTE_AWS_ACCESS_KEY_ID",
        "secret_access_key": "FLYTE_AWS_SECRET_ACCESS_KEY",
        "region": "AWS_REGION",
    }
    options = {option: os.environ[name] for option, name in names.items() if os.environ.get(name)}
    if os.environ.get("FLYTE_AWS_S3_ADDRESSING_STYLE") == "virtual":
        options["virtual_hosted_style_request"] = "true"
    if options.get("endpoint", "").startswith("http://"):
        return {**options, "client_options": {"allow_http": True}}
    return options


@lru_cache(maxsize=32)
def _bucket(root: str) -> Any:
    from obstore.store import from_url

    return from_url(root, **(_s3_options() if root.startswith("s3:") else {}))


def _split(uri: str) -> tuple[Any, str]:
    parts = urlsplit(uri)
    return _bucket(f"{parts.scheme}://{parts.netloc}"), parts.path.lstrip("/")


class BucketStore:
    """See `ObjectStore`. An upload is completed as a whole, so that a half object is never seen."""

    def read(self, uri: str) -> bytes:
        import obstore

        store, key = _split(uri)
        try:
            return bytes(obstore.get(store, key).bytes())
        except FileNotFoundError as e:
            raise StorageError(f"There is no object at {uri}.", code="NotFound") from e
        except Exception as e:
            raise StorageError(f"{uri} cannot be read: {e}") from e

    def write(self, uri: str, data: bytes) -> None:
        import obstore

        store, key = _split(uri)
        try:
            obstore.put(store, key, data)
        except Exception as e:
            raise StorageError(f"{uri} cannot be written: {e}") from e

    def exists(self, uri: str) -> bool:
        return self.size(uri) is not None

    def size(self, uri: str) -> int | None:
        import obstore

        store, key = _split(uri)
        try:
            return int(obstore.head(store, key)["size"])
        except FileNotFoundError:
            return None
        except Exception as e:
            raise StorageError(f"{uri} cannot be looked at: {e}") from e

    def list(self, prefix: str) -> Iterator[str]:
        import obstore

        store, key = _split(prefix)
        parts = urlsplit(prefix)
        for batch in obstore.list(store, key):
            for entry in batch:
                yield f"{parts.scheme}://{parts.netloc}/{entry['path']}"
