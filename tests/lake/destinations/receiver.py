"""A receiver of webhooks in a process of its own: fails as it is told, keeps each message once.

``python -m tests.lake.destinations.receiver PORT FOLDER SECRET``. The file FOLDER/plan names what
becomes of the next calls, one word each: a status, ``hang``, ``die``; then everything is taken.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    """Checks each signature as the specification says, with nothing of the sender's code."""

    folder: Path
    key: bytes

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        word = self._next()
        with open(self.folder / "calls", "a") as calls:
            calls.write(f"{self.headers['webhook-id']} {word or 'take'}\n")
        if word == "hang":
            time.sleep(30)
        if word == "die":
            os._exit(9)
        if word is not None:
            status, _, wait = word.partition(":")
            self._answer(int(status), b"", {"Retry-After": wait} if wait else {})
        elif not self._is_signed(body):
            self._answer(401, b"wrong signature", {})
        else:
            self._take(body)

    def _next(self) -> str | None:
        plan = self.folder / "plan"
        words = plan.read_text().split() if plan.exists() else []
        plan.write_text(" ".join(words[1:]))
        return words[0] if words else None

    def _is_signed(self, body: bytes) -> bool:
        name, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        if abs(time.time() - int(at)) > 300:
            return False
        signed = hmac.new(self.key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        return self.headers["webhook-signature"] == "v1," + base64.b64encode(signed).decode()

    def _take(self, body: bytes) -> None:
        path = self.folder / "kept" / self.headers["webhook-id"].replace("/", "~")
        if not path.exists():
            path.write_bytes(body)
            with open(self.folder / "taken", "a") as taken:
                taken.write(path.name + "\n")
        if self.headers["content-type"] == "application/json":
            data = json.loads(body)["data"]
            names = [f"{path.name}~{part['name']}" for part in data["parts"]]
            lines = [(path.parent / name).read_bytes().count(b"\n") - 1 for name in names]
            self._answer(200, json.dumps({"accepted_rows": sum(lines)}).encode(), {})
        else:
            self._answer(204, b"", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Receiver.folder = Path(sys.argv[2])
    Receiver.key = base64.b64decode(sys.argv[3].removeprefix("whsec_"))
    (Receiver.folder / "kept").mkdir(exist_ok=True)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
