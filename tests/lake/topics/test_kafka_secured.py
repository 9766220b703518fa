"""Production is configuration: TLS and SASL against a broker that demands both."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lake.engines import kafka
from lake.engines.kafka import Broker
from lake.topics import Fresh, opened
from schemas.errors import UnreachableError

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


def certificate(folder: Path) -> tuple[Path, dict[str, str]]:
    """A certificate for this machine (which is its own authority), and the broker's lines."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker of a test")])
    now = datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(kafka.HOST))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1)).add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "ca.pem").write_bytes(chain)
    (folder / "both.pem").write_bytes(private + chain)
    lines = {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(folder / "both.pem")}
    return folder / "ca.pem", lines


@pytest.fixture
def secured(tmp_path: Path, has_kafka: None) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a listener with TLS and SASL, and the settings that it asks for."""
    plain, controller, port = (kafka.free_port() for _ in range(3))
    authority, lines = certificate(tmp_path)
    place = tmp_path / "kafka"
    place.mkdir()
    quorum = f"controller.quorum.bootstrap.servers={kafka.HOST}:{controller}\n"
    (place / "server.properties").write_text(quorum)
    listeners = (
        f"PLAINTEXT://{kafka.HOST}:{plain},CONTROLLER://{kafka.HOST}:{controller},"
        f"SASL_SSL://{kafka.HOST}:{port}"
    )
    lines |= {
        "listeners": listeners, "advertised.listeners": listeners,
        "listener.security.protocol.map":
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config":
            f'{PLAIN} required user_guiyi="open sesame";',
    }
    held = Broker(place, plain, lines, kafka.QUICK)
    held.up()
    yield f"kafka://{kafka.HOST}:{port}", {
        "security.protocol": "sasl_ssl", "ssl.ca.location": str(authority),
        "sasl.mechanism": "PLAIN", "sasl.username": "guiyi", "message.timeout.ms": "20000",
    }
    held.down()


@pytest.mark.prove
def test_tls_and_sasl_are_settings_and_the_password_comes_by_the_environment(
    secured: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, settings = secured
    monkeypatch.setenv("GUIYI_KAFKA_SASL_PASSWORD", "open sesame")
    topics = opened(address, settings)
    topics.create("guarded", 1)
    writer = topics.writer("guarded")
    writer.send(Fresh(b"k", b"v", 1))
    writer.close()
    assert [one.value for one in topics.reader("guarded", {0: 0}).read(1, 10)] == [b"v"]
    topics.close()

    soon = settings | {"message.timeout.ms": "3000"}
    monkeypatch.setenv("GUIYI_KAFKA_SASL_PASSWORD", "open barley")
    with pytest.raises(UnreachableError, match="SASL"):
        opened(address, soon).names()
    monkeypatch.setenv("GUIYI_KAFKA_SASL_PASSWORD", "open sesame")
    del soon["ssl.ca.location"]
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        opened(address, soon).names()
