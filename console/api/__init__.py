"""The HTTP API: audiences, tags, persons and releases, for programs and for the web pages."""

from console.api.app import create_app
from console.api.context import Context
from console.api.shelf import Shelf

__all__ = ["Context", "Shelf", "create_app"]
