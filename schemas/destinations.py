"""How a destination is declared: ``conf/*/destinations/*.yml``. No credential stands in it."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from schemas.errors import FieldError
from schemas.measured import Name

Secret = Annotated[str, msgspec.Meta(pattern="^[A-Z][A-Z0-9_]{0,63}$", examples=["ADS_SECRET"])]
"""Name of the environment variable that holds it, or of one with ``_FILE`` behind that names a
file with it."""
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Folder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder that the receiver reads too."""

    path: Annotated[str, msgspec.Meta(min_length=1)]
    """Relative paths lie below the lake."""


class ObjectStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bucket of an object store that speaks S3."""

    bucket: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: str = ""
    endpoint: str | None = None
    """URL of the store, e.g. https://cos.ap-beijing.myqcloud.com; AWS when absent."""
    region: str | None = None
    access_key: Secret
    secret_key: Secret
    timeout_s: Seconds = 30


class Sftp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A folder on an SFTP server."""

    host: Annotated[str, msgspec.Meta(min_length=1)]
    port: Port = 22
    user: Annotated[str, msgspec.Meta(min_length=1)]
    path: str = "."
    host_key: Annotated[str, msgspec.Meta(examples=["ssh-ed25519 AAAAC3Nz..."])]
    """The server's public key, as in known_hosts; a server with another one is refused."""
    password: Secret | None = None
    private_key: Secret | None = None
    """The text of an OpenSSH private key."""
    timeout_s: Seconds = 30

    def __post_init__(self) -> None:
        if (self.password is None) == (self.private_key is None):
            raise FieldError(
                "one way to log in is needed", field="password",
                expected="`password` or `private_key`, the name of the secret",
            )


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A URL that takes each part, then the manifest, signed as Standard Webhooks."""

    url: str
    secret: Secret
    """The shared secret, as whsec_ and base64."""
    attempts: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5
    """Calls of one message before giving up, longer and longer apart."""
    first_wait_s: Seconds = 1
    timeout_s: Seconds = 30

    def __post_init__(self) -> None:
        if not re.match(r"https?://[^/]+", self.url):
            raise FieldError("this is no URL", field="url", expected="https://HOST/PATH")


class Destination(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where exports are handed over: one of folder, object_store, sftp and webhook."""

    name: Name
    label: str
    """What people read."""
    inside: bool = False
    """Whether it belongs to the brand itself, so that clear values may go there."""
    approval: bool = False
    """Whether a second person must approve each hand-over."""
    folder: Folder | None = None
    object_store: ObjectStore | None = None
    sftp: Sftp | None = None
    webhook: Webhook | None = None

    def __post_init__(self) -> None:
        kinds = {"folder": self.folder, "object_store": self.object_store, "sftp": self.sftp,
                 "webhook": self.webhook}
        given = [name for name, place in kinds.items() if place is not None]
        if len(given) != 1:
            raise FieldError(
                f"a destination is one place, this one {len(given)}",
                field=given[1] if given else "folder", expected="one of " + ", ".join(kinds),
            )
