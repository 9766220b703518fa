"""Connected components: over integer codes, over 64-bit keys, and over identifiers in bulk.

``first_of_each`` labels a whole graph at once and ``Components`` one that comes in chunks;
``KeyCodes`` numbers 64-bit keys as they come. ``plain`` takes a relation of string edges to a
file of identifiers with their persons; ``backend`` answers networkx. Compiled code is loaded at
its first use, so that importing this costs nothing.
"""

from pipelines.components.codes import KeyCodes
from pipelines.components.union import Components, first_of_each

__all__ = ["Components", "KeyCodes", "first_of_each"]
