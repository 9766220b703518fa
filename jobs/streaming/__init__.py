"""What acts on events as they come: one pure step per key, in process or in Flink."""
