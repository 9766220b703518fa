"""Settings of a Kafka as they are declared, and as clients in Java want them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

START = "GUIYI_KAFKA_"
FLINK_SHADED = "org.apache.flink.kafka.shaded."
"""Where Flink's connector keeps its own copy of Kafka's classes."""
SAME = ("ssl.endpoint.identification.algorithm", "client.id", "client.rack", "request.timeout.ms")


def from_environment() -> dict[str, str]:
    """Settings that the environment gives: ``GUIYI_KAFKA_SASL_PASSWORD`` is sasl.password."""
    return {
        name.removeprefix(START).lower().replace("_", "."): value
        for name, value in os.environ.items() if name.startswith(START)
    }


def java_properties(settings: Mapping[str, str], shaded: str = "") -> dict[str, str]:
    """What Kafka's client in Java calls the same: protocol, TLS and SASL by user and password.

    ``settings`` are librdkafka's, without what the environment gives, which is taken here: secrets
    then travel in no file and in no argument. ``shaded`` stands before the names of its classes.
    """
    given = {**settings, **from_environment()}
    found = {name: given[name] for name in SAME if name in given}
    if found.get(SAME[0]) == "none":
        found[SAME[0]] = ""
    if "security.protocol" in given:
        found["security.protocol"] = given["security.protocol"].upper()
    if "ssl.ca.location" in given:
        found |= {
            "ssl.truststore.type": "PEM", "ssl.truststore.location": given["ssl.ca.location"],
        }
    if "ssl.certificate.location" in given and "ssl.key.location" in given:
        found |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": Path(given["ssl.certificate.location"]).read_text(),
            "ssl.keystore.key": Path(given["ssl.key.location"]).read_text(),
        }
        if "ssl.key.password" in given:
            found["ssl.key.password"] = given["ssl.key.password"]
    mechanism = given.get("sasl.mechanism") or given.get("sasl.mechanisms")
    if mechanism:
        found["sasl.mechanism"] = mechanism
    if "sasl.username" in given:
        found["sasl.jaas.config"] = _login(given, mechanism or "PLAIN", shaded)
    return found


def _login(given: Mapping[str, str], mechanism: str, shaded: str) -> str:
    kind = "scram.Scram" if mechanism.startswith("SCRAM") else "plain.Plain"
    user, password = (
        given.get(name, "").replace("\\", "\\\\").replace('"', '\\"')
        for name in ("sasl.username", "sasl.password")
    )
    return (
        f"{shaded}org.apache.kafka.common.security.{kind}LoginModule required "
        f'username="{user}" password="{password}";'
    )
