"""What lies between the maps of a network: operators in integers, exact to the bit.

A value is a tensor of integers, real value = integer * scale. An operator makes one value of others. All that
rounds does so as a layer's drain does (:class:`hwsim.quantize.Requantize`): times a multiplier of 16 bits and
a sign, plus half a unit, shifted right, clamped; so that one circuit does them all. docs/integers.md states
every operator in a formula.
"""

from hwsim.between.arithmetic import Add, Clip, Rescale
from hwsim.between.flow import Flow, Operator
from hwsim.between.movement import Channels, Concatenate, Crop, Pad, Reshape, Strided
from hwsim.between.operator import Between, Value
from hwsim.between.pools import AveragePool, MaxPool
from hwsim.between.resize import Resize

__all__ = [
    "Add",
    "AveragePool",
    "Between",
    "Channels",
    "Clip",
    "Concatenate",
    "Crop",
    "Flow",
    "MaxPool",
    "Operator",
    "Pad",
    "Rescale",
    "Reshape",
    "Resize",
    "Strided",
    "Value",
]
