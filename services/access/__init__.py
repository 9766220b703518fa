"""Who may do what: roles, scopes, keys, and the log of who did it."""

from services.access.core import Actor

__all__ = ["Actor"]
