"""A folder on an SFTP server: each file under a passing name, then renamed; the manifest last."""

from __future__ import annotations

import base64
import binascii
import io
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import paramiko

from lake import crash, exports
from lake.destinations.package import Package, Receipt
from lake.destinations.secrets import secret
from schemas.destinations import Sftp
from schemas.errors import ConfigError, DeliveryError, UnreachableError

PASSING = ".uploading"


class SftpPlace:
    """The server; it must show the host key that the definition names."""

    def __init__(self, where: Sftp) -> None:
        self._where, self._host_key = where, _host_key(where)
        self._password = secret(where.password) if where.password else None
        self._key = _private_key(where.private_key) if where.private_key else None

    def deliver(self, package: Package) -> Receipt:
        """Upload what is not there yet; a part that was cut off is begun anew."""
        base = posixpath.join(self._where.path, *package.place.split("/"))
        shown = f"sftp://{self._where.host}:{self._where.port}/{base}"
        with self._connected(shown) as server:
            found = _read(server, posixpath.join(base, exports.MANIFEST))
            if found is not None:
                return package.found(found, shown)
            _make(server, base)
            for name, path, size in package.parts():
                with open(path, "rb") as source:
                    _put(server, source, size, posixpath.join(base, name))
                crash.point("handover.between_parts")
            crash.point("handover.before_manifest")
            content = package.manifest_bytes()
            target = posixpath.join(base, exports.MANIFEST)
            _put(server, io.BytesIO(content), len(content), target)
        return Receipt(shown, package.rows)

    @contextmanager
    def _connected(self, shown: str) -> Iterator[paramiko.SFTPClient]:
        where = self._where
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.RejectPolicy())
            name = where.host if where.port == 22 else f"[{where.host}]:{where.port}"
            client.get_host_keys().add(name, self._host_key.get_name(), self._host_key)
            try:
                client.connect(
                    where.host, where.port, where.user, password=self._password, pkey=self._key,
                    timeout=where.timeout_s, banner_timeout=where.timeout_s,
                    auth_timeout=where.timeout_s, channel_timeout=where.timeout_s,
                    allow_agent=False, look_for_keys=False,
                )
                with client.open_sftp() as server:
                    channel = server.get_channel()
                    assert channel is not None
                    channel.settimeout(where.timeout_s)
                    yield server
            except (paramiko.BadHostKeyException, paramiko.AuthenticationException) as error:
                raise _refused(error, shown) from error
            except PermissionError as error:
                raise _refused(error, shown) from error
            except (paramiko.SSHException, EOFError, OSError) as error:
                if "not found in known_hosts" in str(error):
                    raise _refused(error, shown) from error
                raise UnreachableError(
                    "the SFTP server did not take everything", expected="a server that answers",
                    got=str(error) or type(error).__name__, where=shown,
                    todo="deliver again later; it goes on where it was cut off",
                ) from error


def _put(server: paramiko.SFTPClient, source: IO[bytes], size: int, target: str) -> None:
    if _size(server, target) == size:
        return
    passing = posixpath.join(
        posixpath.dirname(target), "." + posixpath.basename(target) + PASSING
    )
    # Confirming compares the size with that of the file there.
    server.putfo(source, passing, file_size=size, confirm=True)
    try:
        server.posix_rename(passing, target)
    except OSError:
        # Servers without that extension rename only to a name that is free.
        with suppress(FileNotFoundError):
            server.remove(target)
        server.rename(passing, target)


def _size(server: paramiko.SFTPClient, path: str) -> int | None:
    try:
        return server.stat(path).st_size
    except FileNotFoundError:
        return None


def _read(server: paramiko.SFTPClient, path: str) -> bytes | None:
    if _size(server, path) is None:
        return None
    with server.open(path, "rb") as file:
        return file.read()


def _make(server: paramiko.SFTPClient, folder: str) -> None:
    parent = posixpath.dirname(folder)
    if parent not in ("", "/", "."):
        _make(server, parent)
    if _size(server, folder) is None:
        server.mkdir(folder)


def _refused(error: Exception, shown: str) -> DeliveryError:
    says = {
        "BadHostKeyException": "the server showed another host key than the one that is known",
        "AuthenticationException": "the server refused the credentials",
    }
    return DeliveryError(
        "the SFTP server cannot be used", expected="the known host key, and a right to write",
        got=says.get(type(error).__name__, str(error)), where=shown,
        todo="ask the receiver; a new host key is entered in the destination's `host_key`",
    )


def _host_key(where: Sftp) -> paramiko.PKey:
    try:
        kind, text = where.host_key.split()[:2]
        return paramiko.PKey.from_type_string(kind, base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, paramiko.SSHException) as error:
        raise ConfigError(
            "this is no public key", expected="as in known_hosts: ssh-ed25519 AAAA...",
            got=f"{where.host_key[:20]}…", where="host_key",
            todo="take the line that `ssh-keyscan HOST` prints, once it is known to be right",
        ) from error


def _private_key(name: str) -> paramiko.PKey:
    text = secret(name)
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(io.StringIO(text))
    raise ConfigError(
        f"the credential {name} is no private key", expected="the text of an OpenSSH private key",
        got=f"{len(text)} characters",
    )
