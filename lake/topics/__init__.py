"""Topics: records in order, by partition, read again from any offset.

Two of one interface: ``segments`` (append-only files with fsync, in process, the default) and
``kafka`` (a broker). ``opened`` chooses by address. Nothing here loads a database or a dataframe.
"""

from lake.topics.opening import opened
from lake.topics.record import Fresh, Reader, Record, Topics, Writer, partition_of

__all__ = ["Fresh", "Reader", "Record", "Topics", "Writer", "opened", "partition_of"]
