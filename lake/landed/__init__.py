"""Records of topics in the lake, each offset once, until a release has taken them."""

from lake.landed.lander import Landed, land
from lake.landed.table import LandedTable

__all__ = ["Landed", "LandedTable", "land"]
