"""Where a page goes on: a text that means nothing to the caller, and is of one list only."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Annotated

import msgspec

from schemas.errors import UsageError


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """After which person the next page begins, of which members."""

    release_no: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
    version: str
    after: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


def written(cursor: Cursor) -> str:
    """The cursor as a text that may stand in a URL."""
    return urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def read(text: str) -> Cursor:
    """What ``written`` wrote; UsageError for any other text."""
    try:
        whole = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        return msgspec.json.decode(whole, type=Cursor)
    except (Error, ValueError, msgspec.MsgspecError) as error:
        raise UsageError(
            "this cursor is none of ours", expected="`next` of the page before", got=text[:60],
            where="cursor", todo="begin again without a cursor",
        ) from error
