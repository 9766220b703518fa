"""A bucket that speaks S3: parts first, held against their sizes, and the manifest last."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs

from lake import crash, exports
from lake.destinations.package import Package, Receipt
from lake.destinations.secrets import secret
from schemas.destinations import ObjectStore
from schemas.errors import DeliveryError, UnreachableError

BLOCK_BYTES = 8 << 20
REGION = "us-east-1"
_REFUSED = re.compile(
    r"ACCESS_DENIED|AccessDenied|Forbidden|InvalidAccessKeyId|INVALID_ACCESS_KEY_ID|"
    r"SignatureDoesNotMatch|SIGNATURE_DOES_NOT_MATCH|NO_SUCH_BUCKET|NoSuchBucket|"
    r"HTTP status 40[0134]|does not exist"
)


class ObjectStorePlace:
    """The bucket; an object is there whole or not at all, so that the manifest alone decides."""

    def __init__(self, where: ObjectStore) -> None:
        url = urlsplit(where.endpoint or "")
        self._where = where
        if where.endpoint:
            # The checksums that AWS's library adds by itself come in a trailer that other stores
            # refuse (411 MissingContentLength); sizes are compared here anyway.
            os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        self._files = fs.S3FileSystem(
            access_key=secret(where.access_key), secret_key=secret(where.secret_key),
            endpoint_override=url.netloc or None, scheme=url.scheme or "https",
            region=where.region or REGION, background_writes=False, allow_delayed_open=True,
            request_timeout=where.timeout_s, connect_timeout=where.timeout_s,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=2),
        )

    def deliver(self, package: Package) -> Receipt:
        """Put each part, look at its size, and put the manifest."""
        parts = (self._where.bucket, self._where.prefix.strip("/"), package.place)
        base = "/".join(part for part in parts if part)
        shown = f"s3://{base}"
        try:
            found = self._read(f"{base}/{exports.MANIFEST}")
            if found is not None:
                return package.found(found, shown)
            for name, path, size in package.parts():
                self._put(f"{base}/{name}", path, size)
                crash.point("handover.between_parts")
            crash.point("handover.before_manifest")
            self._put_bytes(f"{base}/{exports.MANIFEST}", package.manifest_bytes())
        except OSError as error:
            raise _told(error, shown) from error
        return Receipt(shown, package.rows)

    def _read(self, key: str) -> bytes | None:
        if self._files.get_file_info(key).type != fs.FileType.File:
            return None
        with self._files.open_input_stream(key) as file:
            content: bytes = file.read()
        return content

    def _put(self, key: str, path: Path, size: int) -> None:
        info = self._files.get_file_info(key)
        if info.type == fs.FileType.File and info.size == size:
            return
        with open(path, "rb") as source, self._files.open_output_stream(key) as out:
            while block := source.read(BLOCK_BYTES):
                out.write(block)
        stored = self._files.get_file_info(key).size
        if stored != size:
            raise OSError(f"{key} has {stored} bytes there, not {size}")

    def _put_bytes(self, key: str, content: bytes) -> None:
        with self._files.open_output_stream(key) as out:
            out.write(content)


def _told(error: OSError, shown: str) -> DeliveryError:
    said = str(error).split("\n")[0][:300]
    parts: dict[str, Any] = {"got": said, "where": shown}
    if _REFUSED.search(said):
        return DeliveryError(
            "the object store refused", **parts,
            expected="a bucket that these credentials may write",
            todo="mend bucket, credentials or rights, then deliver again",
        )
    return UnreachableError(
        "the object store did not take everything", expected="a store that answers", **parts,
        todo="deliver again later; what is there stays, and nothing is taken twice",
    )
