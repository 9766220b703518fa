"""How a clear identifier is shown to people who need not know it."""

from __future__ import annotations

HIDDEN = "****"


def mask(type: str, value: str) -> str:
    """``value`` with its ends left to recognise it by, and never fewer than four characters hidden.

    A phone of mainland China keeps its network and last four digits (138****5678), an e-mail its
    first letter and domain, an OpenID its app; all else keeps up to four characters on each side.
    What is hidden has one width, so that it tells no length.
    """
    if type == "email" and "@" in value:
        name, _, domain = value.rpartition("@")
        return _ends(name, 1, 0) + "@" + domain
    if type == "openid" and ":" in value:
        app, _, user = value.partition(":")
        return app + ":" + _ends(user, 3, 3)
    if type == "phone" and value.startswith("+86"):
        return "+86" + _ends(value[3:], 3, 4)
    return _ends(value, 4, 4)


def _ends(text: str, front: int, behind: int) -> str:
    room = max(0, len(text) - len(HIDDEN))
    behind = min(behind, room)
    front = min(front, room - behind)
    return text[:front] + HIDDEN + (text[-behind:] if behind else "")
