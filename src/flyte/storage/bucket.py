"""Objects in a bucket of S3, GCS or Azure, through `obstore`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

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

    try:
        return from_url(root, **(_s3_options() if root.startswith("s3:") else {}))
    except Exception as e:
        raise StorageError(f"The bucket {root} cannot be used: {_reason(e)}.") from e


def _reason(error: Exception) -> str:
    """What obstore says first; the lines below are its own insides."""
    return str(error).partition("\n")[0].rstrip(".")


def _split(uri: str) -> tuple[str, str]:
    """The address of a bucket, and a key in it. A key is taken as it is: `#`, `?` and `%` mean nothing in it."""
    scheme, _, rest = uri.partition("://")
    name, _, key = rest.partition("/")
    return f"{scheme}://{name}", key.lstrip("/")


def _place(uri: str) -> tuple[Any, str]:
    root, key = _split(uri)
    return _bucket(root), key


class BucketStore:
    """See `ObjectStore`. An upload is completed as a whole, so that a half object is never seen."""

    def read(self, uri: str) -> bytes:
        import obstore

        store, key = _place(uri)
        try:
            return bytes(obstore.get(store, key).bytes())
        except FileNotFoundError as e:
            raise StorageError(f"There is no object at {uri}.", code="NotFound") from e
        except Exception as e:
            raise StorageError(f"{uri} cannot be read: {_reason(e)}.") from e

    def write(self, uri: str, data: bytes) -> None:
        import obstore

        store, key = _place(uri)
        try:
            obstore.put(store, key, data)
        except Exception as e:
            raise StorageError(f"{uri} cannot be written: {_reason(e)}.") from e

    def exists(self, uri: str) -> bool:
        return self.size(uri) is not None

    def size(self, uri: str) -> int | None:
        import obstore

        store, key = _place(uri)
        try:
            return int(obstore.head(store, key)["size"])
        except FileNotFoundError:
            return None
        except Exception as e:
            raise StorageError(f"{uri} cannot be looked at: {_reason(e)}.") from e

    def list(self, prefix: str) -> Iterator[str]:
        import obstore

        root, key = _split(prefix)
        batches = iter(obstore.list(_bucket(root), key))
        while True:
            try:
                batch = next(batches, None)
            except Exception as e:
                raise StorageError(f"{prefix} cannot be listed: {_reason(e)}.") from e
            if batch is None:
                return
            for entry in batch:
                yield f"{root}/{entry['path']}"
