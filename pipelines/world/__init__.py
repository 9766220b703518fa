"""The sample world: one retailer's raw files for 2017, and the truth about them."""

from pipelines.world.files import RawFile
from pipelines.world.generator import World, generate
from pipelines.world.parameters import PARAMETERS, Parameters, Traps
from pipelines.world.scale import generate_at_scale

__all__ = ["PARAMETERS", "Parameters", "RawFile", "Traps", "World", "generate", "generate_at_scale"]
