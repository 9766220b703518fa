"""The one history of the services' tables."""
