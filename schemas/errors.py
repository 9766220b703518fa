"""Every error that a user of Guiyi can meet.

    GuiyiError            exit 1    something failed; the message says what and what to do
    ├── UsageError        exit 2    the call itself is wrong (arguments, dates)
    ├── ConfigError       exit 2    a definition in conf/ is wrong
    ├── NotFoundError     exit 2    a table, release, person or file that is not there
    ├── InputError        exit 1    an input that cannot be read at all
    ├── StorageError      exit 1    the lake cannot be written or read (disk full, damaged)
    ├── DeliveryError     exit 1    a receiver refused what was handed over
    │   └── UnreachableError exit 75  a receiver did not answer, or went away; retry
    ├── QualityError      exit 3    a table broke its contract; nothing was published
    ├── AccessError       exit 2    the caller may not do this, or has not said who calls
    ├── ConflictError     exit 1    what was to be changed is not as the caller took it to be
    ├── BusyError         exit 75   another run holds the lock, or a commit met another; retry
    ├── NotYetError       exit 75   the inputs of a date have not been delivered; retry later
    └── NothingToDo       exit 99   the same inputs were already published

A message has four parts: what was expected, what came, where, and what to do next.
"""

from __future__ import annotations


class GuiyiError(Exception):
    """Base of every error that leaves Guiyi: ``expected``, ``got``, ``where`` and ``todo``."""

    exit_code = 1

    def __init__(
        self, message: str, *, expected: str = "", got: str = "", where: str = "", todo: str = ""
    ) -> None:
        self.expected, self.got, self.where, self.todo = expected, got, where, todo
        parts = [message]
        for label, text in (("expected", expected), ("got", got), ("at", where), ("do", todo)):
            if text:
                parts.append(f"  {label}: {text}")
        super().__init__("\n".join(parts))


class UsageError(GuiyiError):
    """The call is wrong: an argument, a date, a combination."""

    exit_code = 2


class ConfigError(GuiyiError):
    """A definition under ``conf/`` is wrong; ``where`` is ``file:line``."""

    exit_code = 2


class NotFoundError(GuiyiError):
    """A named table, release, person or file does not exist."""

    exit_code = 2


class InputError(GuiyiError):
    """An input cannot be read at all, so that not even its rows can be quarantined."""


class StorageError(GuiyiError):
    """The lake could not be written or read."""


class DeliveryError(GuiyiError):
    """A receiver refused what was handed over; trying again as it is will not help."""


class UnreachableError(DeliveryError):
    """A receiver did not answer, or went away in the middle; trying again later is right."""

    exit_code = 75


class QualityError(GuiyiError):
    """A table broke its contract, so nothing was published."""

    exit_code = 3


class AccessError(GuiyiError):
    """The caller may not do this, or has not said who calls."""

    exit_code = 2


class ConflictError(GuiyiError):
    """What was to be changed is not, or no longer, as the caller took it to be."""


class BusyError(GuiyiError):
    """Another run holds what this one needs; trying again later is right."""

    exit_code = 75


class NotYetError(GuiyiError):
    """What is asked for has not been delivered yet; trying again later is right."""

    exit_code = 75


class NothingToDo(GuiyiError):  # noqa: N818 - it is an outcome, named as such by the job contract
    """The same inputs were already published."""

    exit_code = 99


class FieldError(ValueError):
    """A value that breaks a check of its structure; who reads a file makes a ConfigError of it.

    ``field`` is the place below the structure that raises, e.g. ``holders[0].of``.
    """

    def __init__(self, message: str, *, field: str, expected: str = "", todo: str = "") -> None:
        self.expected, self.todo = expected, todo
        super().__init__(f"{message} - at `$.{field}`")
