"""Hand-overs: an audience version goes to a destination once, approved by a second person."""

from services.handovers.core import Handover, Key

__all__ = ["Handover", "Key"]
