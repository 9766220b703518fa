"""A URL that takes each part and then the manifest, signed as Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the
signature is HMAC-SHA-256 over id, timestamp and body. The id of a message is the same in every
attempt and every run, so that a receiver takes it once. The answer to the manifest acknowledges:
2xx with ``{"accepted_rows": N}``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO

import urllib3

from lake import crash
from lake.destinations.package import Package, Receipt
from lake.destinations.secrets import secret
from schemas.destinations import Webhook
from schemas.errors import ConfigError, DeliveryError, UnreachableError

PREFIX = "whsec_"
LATER = (408, 425, 429)
"""Answers below 500 that ask for another attempt."""
LONGEST_WAIT_S = 300.0
BLOCK_BYTES = 1 << 20
_TYPES = {".csv": "text/csv; charset=utf-8", ".gz": "application/gzip",
          ".parquet": "application/vnd.apache.parquet"}


def signature(key: bytes, message_id: str, timestamp: int, body: IO[bytes]) -> str:
    """The header ``webhook-signature`` of a message; reads ``body`` to its end."""
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode(), hashlib.sha256)
    while block := body.read(BLOCK_BYTES):
        digest.update(block)
    return "v1," + base64.b64encode(digest.digest()).decode()


def key_of(text: str) -> bytes:
    """The bytes of a secret written as ``whsec_`` and base64; ValueError when it is none."""
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


class WebhookPlace:
    """The URL; ``sleep`` and ``clock`` are given by tests."""

    def __init__(
        self, where: Webhook, sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._where, self._sleep, self._clock = where, sleep, clock
        self._key = _key(where.secret)
        self._http = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=where.timeout_s, read=where.timeout_s)
        )

    def deliver(self, package: Package) -> Receipt:
        """Send each part, then the manifest, and take the acknowledgement."""
        for name, path, size in package.parts():
            kind = _TYPES[Path(name).suffix]
            self._send(f"{package.place}/{name}", path, size, kind)
            crash.point("handover.between_parts")
        crash.point("handover.before_manifest")
        body = json.dumps(
            {"type": "export.delivered", "data": package.manifest}, ensure_ascii=False
        ).encode()
        answer = self._send(package.place, body, len(body), "application/json")
        return Receipt(self._where.url, self._accepted(answer, package))

    def _send(self, message_id: str, content: bytes | Path, size: int, kind: str) -> bytes:
        """One message, again and again until it is taken; the body of the answer."""
        said, waited = "", 0.0
        for attempt in range(self._where.attempts):
            if attempt:
                self._sleep(waited)
            waited = min(self._where.first_wait_s * 2**attempt, LONGEST_WAIT_S)
            try:
                answer = self._call(message_id, content, size, kind)
            except urllib3.exceptions.HTTPError as error:
                said = _said(error)
                continue
            if 200 <= answer.status < 300:
                return bytes(answer.data)
            said = f"HTTP {answer.status}"
            if answer.status < 500 and answer.status not in LATER:
                raise DeliveryError(
                    "the webhook refused", expected="2xx", got=said, where=self._where.url,
                    todo="ask the receiver; it is not tried again by itself",
                )
            waited = _asked(answer.headers.get("retry-after"), self._clock()) or waited
        raise UnreachableError(
            f"the webhook did not take a message in {self._where.attempts} attempts",
            expected="2xx", got=said, where=self._where.url,
            todo="deliver again later; the receiver knows the messages by their ids",
        )

    def _call(
        self, message_id: str, content: bytes | Path, size: int, kind: str
    ) -> urllib3.BaseHTTPResponse:
        timestamp = int(self._clock())
        with _opened(content) as body:
            signed = signature(self._key, message_id, timestamp, body)
            body.seek(0)
            headers = {
                "webhook-id": message_id, "webhook-timestamp": str(timestamp),
                "webhook-signature": signed, "content-type": kind, "content-length": str(size),
            }
            return self._http.request(
                "POST", self._where.url, body=body, headers=headers, redirect=False
            )

    def _accepted(self, answer: bytes, package: Package) -> int:
        rows = None
        with suppress(ValueError, AttributeError):
            rows = json.loads(answer).get("accepted_rows")
        if rows == package.rows and not isinstance(rows, bool):
            return package.rows
        raise DeliveryError(
            "the webhook did not acknowledge every row",
            expected=f'{{"accepted_rows": {package.rows}}}',
            got=answer[:100].decode(errors="replace") or "an empty answer", where=self._where.url,
            todo="ask the receiver what became of them",
        )


def _opened(content: bytes | Path) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")


def _asked(header: str | None, now: float) -> float | None:
    """Seconds that ``Retry-After`` asks for, as a number or as a date; bounded, None for neither.

    A date without a zone is one of UTC.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            at = parsedate_to_datetime(header)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - datetime.fromtimestamp(now, UTC)).total_seconds()
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S)


def _said(error: Exception) -> str:
    kinds = {"ReadTimeoutError": "no answer in time", "NewConnectionError": "no connection",
             "ConnectTimeoutError": "no connection in time"}
    return kinds.get(type(error).__name__, f"the connection broke ({type(error).__name__})")


def _key(name: str) -> bytes:
    text = secret(name)
    try:
        return key_of(text)
    except ValueError as error:
        raise ConfigError(
            f"the credential {name} is no webhook secret", expected="whsec_ and base64",
            got=f"{len(text)} characters",
        ) from error
