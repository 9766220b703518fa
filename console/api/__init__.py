"""The HTTP API: audiences, tags, persons and releases, for programs and for the web pages."""

from console.api.app import create_app
from console.api.context import Context

__all__ = ["Context", "create_app"]
