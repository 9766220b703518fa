"""The commands of ``guiyi``, one module per group."""
