"""Flink: any keyed pure step as one exactly-once job over Kafka topics, in the second environment.

Lines are read and stepped through in thread mode (process mode is fifteen times slower); what has
come is told by the record times of Kafka, partition by partition, so that no order of reading makes
anything late. Definitions come by broadcast. Every operator has a uid, so that a checkpoint or a
savepoint finds its state again, at another parallelism too.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from domain.keyed import Keyed
from lake.engines import jars
from lake.engines.flink_steps import reading, stepping
from lake.topics.kafka_settings import FLINK_SHADED, java_properties

TRANSACTION_MS = "600000"
"""What a broker allows at most is 15 minutes; beyond it Flink's default restarts for ever."""

CHANGES_IDLE_S = 1.0
"""Definitions seldom change, and hold up no event's time."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a job reads and writes; crosses into the second environment as JSON."""

    name: str
    """Prefix of uids and of transactional ids: one running job per name."""
    servers: str
    """Kafka's bootstrap servers."""
    inputs: dict[str, str]
    """Topics of events, and the source whose lines each holds."""
    output: str
    definitions: dict[str, bytes]
    """In force when the job begins, by name."""
    changes: str
    """Topic of changed definitions: JSON with ``name`` and ``definition`` (null: removed)."""
    changes_from: dict[int, int]
    """The offsets from which changes count, by partition."""
    checkpoints: str
    """Folder of checkpoints, absolute."""
    restore: str = ""
    """A checkpoint or savepoint to go on from."""
    parallelism: int = 1
    lateness_s: float = 600
    idle_s: float = 30
    checkpoint_s: float = 2
    properties: dict[str, str] = {}
    """Settings of Kafka's clients, for TLS and SASL."""


class Running(NamedTuple):
    """A job that has been handed to Flink."""

    client: Any
    environment: Any


def newest(folder: Path) -> str:
    """The newest whole checkpoint or savepoint of a job below ``folder``; empty without one."""
    found = (*folder.glob("*/chk-*/_metadata"), *folder.glob("savepoints/*/_metadata"))
    whole = [path.parent for path in found]
    return str(max(whole, key=lambda path: path.stat().st_mtime)) if whole else ""


def watched(running: Running, job: Job, over: threading.Event) -> int:
    """Wait for the end of a job, or stop it with a savepoint when ``over`` is set; an exit code."""
    said = logging.getLogger("guiyi")
    said.info("%s runs in Flink as %s", job.name, running.client.get_job_id())
    while not over.wait(0.5):
        status = str(running.client.get_job_status().result())
        if status in ("FAILED", "CANCELED", "FINISHED"):
            if status == "FAILED":
                said.error("%s", _cause(running))
            return 0 if status == "FINISHED" else 1
    place = f"{job.checkpoints}/savepoints"
    said.info("savepoint %s", _stopped(running, place))
    return 0


def _stopped(running: Running, place: str) -> str:
    """The savepoint of a job that was stopped with one.

    PyFlink 2.3 calls a method that Flink no longer has: the format has to be named.
    """
    from pyflink.java_gateway import get_gateway

    form = get_gateway().jvm.org.apache.flink.core.execution.SavepointFormatType.CANONICAL
    client = running.client._j_job_client
    return str(client.stopWithSavepoint(False, f"file://{place}", form).get())


def _cause(running: Running) -> str:
    try:
        running.client.get_job_execution_result().result()
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines()]
        causes = [line for line in lines if line.startswith("Caused by:")]
        return (causes or lines or ["?"])[-1]
    return "it failed and does not say why"


def environment(job: Job, more: dict[str, str] | None = None) -> Any:
    """A streaming environment with the project's settings; ``more`` are settings on top."""
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment

    settings = Configuration()
    for name, value in (_settings(job) | (more or {})).items():
        settings.set_string(name, value)
    made = StreamExecutionEnvironment.get_execution_environment(settings)
    made.set_parallelism(job.parallelism)
    return made


def _settings(job: Job) -> dict[str, str]:
    skipped = ("jsr305", "slf4j-api", "commons-logging")
    listed = [path for path in jars.paths("flink") if not path.name.startswith(skipped)]
    settings = {
        "pipeline.jars": ";".join(f"file://{path}" for path in listed),
        "python.execution-mode": "thread",
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        "execution.checkpointing.interval": f"{int(job.checkpoint_s * 1000)} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": f"file://{job.checkpoints}",
        "execution.checkpointing.savepoint-dir": f"file://{job.checkpoints}/savepoints",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.num-retained": "2",
        "restart-strategy.type": os.environ.get("GUIYI_FLINK_RESTARTS", "none"),
        "pipeline.max-parallelism": "128",
        "pipeline.auto-watermark-interval": "100 ms",
        "table.local-time-zone": "UTC",
        "rest.port": "0",
    }
    if job.restore:
        place = job.restore if "://" in job.restore else f"file://{job.restore}"
        settings["execution.state-recovery.path"] = place
    return settings


def submitted(keyed: Keyed[Any, Any, Any], job: Job) -> Running:
    """Start ``keyed`` over the topics of ``job``; returns as soon as Flink has taken it."""
    from pyflink.common import Types
    from pyflink.datastream.state import MapStateDescriptor

    made = environment(job)
    described = MapStateDescriptor("definitions", Types.STRING(), Types.STRING())
    changes = _source(made, job, job.changes, job.changes_from).broadcast(described)
    told = Types.TUPLE([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])
    events: Any = None
    for topic, source in sorted(job.inputs.items()):
        lines = _source(made, job, topic, None)
        read = reading(keyed, source, described, job.definitions)
        stream = lines.connect(changes).process(read, told).uid(f"{job.name}-read-{topic}")
        events = stream if events is None else events.union(stream)
    keys = events.key_by(lambda one: one[0], key_type=Types.STRING()).connect(changes)
    step = stepping(keyed, described, job.definitions)
    said = keys.process(step, Types.STRING()).uid(f"{job.name}-step").name("step")
    said.sink_to(sink(job, job.output)).uid(f"{job.name}-out").name(job.output)
    return Running(made.execute_async(job.name), made)


def _source(made: Any, job: Job, topic: str, offsets: dict[int, int] | None) -> Any:
    from pyflink.common import Duration, SimpleStringSchema, WatermarkStrategy
    from pyflink.datastream.connectors.kafka import (
        KafkaOffsetsInitializer,
        KafkaSource,
        KafkaTopicPartition,
    )

    starts = KafkaOffsetsInitializer.earliest()
    if offsets is not None:
        places = {KafkaTopicPartition(topic, n): at for n, at in offsets.items()}
        starts = KafkaOffsetsInitializer.offsets(places)
    built = (
        KafkaSource.builder().set_bootstrap_servers(job.servers).set_topics(topic)
        .set_group_id(job.name).set_starting_offsets(starts)
        # One character a byte, so that what is no UTF-8 arrives as it is.
        .set_value_only_deserializer(SimpleStringSchema("ISO-8859-1"))
        .set_property("isolation.level", "read_committed")
        .set_property("commit.offsets.on.checkpoint", "false")
    )
    for name, value in java_properties(job.properties, FLINK_SHADED).items():
        built = built.set_property(name, value)
    lateness = Duration.of_millis(int(job.lateness_s * 1000) if offsets is None else 0)
    strategy = WatermarkStrategy.for_bounded_out_of_orderness(lateness)
    idle_s = job.idle_s if offsets is None else CHANGES_IDLE_S
    strategy = strategy.with_idleness(Duration.of_millis(int(idle_s * 1000)))
    return made.from_source(built.build(), strategy, topic).uid(f"{job.name}-from-{topic}")


def sink(job: Job, topic: str) -> Any:
    """A sink of texts to ``topic``, exactly once for readers of what is committed."""
    from pyflink.common import SimpleStringSchema
    from pyflink.datastream.connectors.base import DeliveryGuarantee
    from pyflink.datastream.connectors.kafka import KafkaRecordSerializationSchema, KafkaSink

    record = (
        KafkaRecordSerializationSchema.builder().set_topic(topic)
        .set_value_serialization_schema(SimpleStringSchema()).build()
    )
    built = (
        KafkaSink.builder().set_bootstrap_servers(job.servers).set_record_serializer(record)
        .set_delivery_guarantee(DeliveryGuarantee.EXACTLY_ONCE)
        .set_transactional_id_prefix(job.name)
        .set_property("transaction.timeout.ms", TRANSACTION_MS)
    )
    for name, value in java_properties(job.properties, FLINK_SHADED).items():
        built = built.set_property(name, value)
    return built.build()
