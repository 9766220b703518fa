"""Credentials by name: from the environment, or from a file that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.errors import ConfigError


def secret(name: str) -> str:
    """The credential ``name``: the variable itself, or the file that ``name_FILE`` names.

    ConfigError when neither is given; no message ever holds a credential.
    """
    given = os.environ.get(name)
    if given:
        return given
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the file of the credential {name} cannot be read", expected="a text file",
                got=type(error).__name__, where=f"{name}_FILE",
            ) from error
    raise ConfigError(
        f"the credential {name} is not given",
        expected=f"the environment variable {name}, or {name}_FILE with the path of a file",
        got="neither", todo="give it to the process; it never stands in conf/",
    )
