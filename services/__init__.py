"""Services: thin adapters over one SQL database, each with its own tables."""
