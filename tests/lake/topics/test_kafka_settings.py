from __future__ import annotations

import msgspec
import pytest

from lake.topics.kafka_settings import FLINK_SHADED, from_environment, java_properties
from schemas.topics import TopicRules

SETTINGS = {
    "security.protocol": "sasl_ssl", "ssl.ca.location": "/etc/ca.pem",
    "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "guiyi", "message.timeout.ms": "1000",
    "ssl.endpoint.identification.algorithm": "none",
}


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUIYI_KAFKA_SASL_PASSWORD", 'open "sesame"')


def test_secrets_come_from_the_environment(password: None) -> None:
    assert from_environment()["sasl.password"] == 'open "sesame"'


def test_a_client_in_java_gets_the_same_by_its_own_names(password: None) -> None:
    found = java_properties(SETTINGS, FLINK_SHADED)
    assert found == {
        "ssl.endpoint.identification.algorithm": "",
        "security.protocol": "SASL_SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/etc/ca.pem",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.flink.kafka.shaded.org.apache.kafka.common.security."
        'scram.ScramLoginModule required username="guiyi" password="open \\"sesame\\"";',
    }


def test_nothing_set_is_nothing_for_java() -> None:
    assert java_properties({"message.timeout.ms": "1000"}) == {}


@pytest.mark.parametrize("name", ["sasl.password", "ssl.key.password", "ssl.key.pem"])
def test_a_secret_in_the_file_is_refused_with_its_variable(name: str) -> None:
    variable = "GUIYI_KAFKA_" + name.upper().replace(".", "_")
    with pytest.raises(msgspec.ValidationError, match=variable):
        msgspec.convert({"kafka": {name: "open sesame"}}, TopicRules)
