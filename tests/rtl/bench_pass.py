"""A pass as the benches of the core and of the array drive it: payloads in, payloads out."""

from amaranth.lib import data
from core_cases import Case, entry_fields, expected_of, loaded

from hwsim.arch import Arch
from hwsim_rtl.core.payloads import ChannelScale, RowDescriptor, weight_load


class Raw(data.StructLayout):
    """Bits without fields."""

    def __init__(self, shape) -> None:
        super().__init__({"bits": data.Layout.cast(shape).size})


def bits(layout, fields) -> dict:
    """A payload with nested or signed fields, as bits."""
    return {"bits": data.Layout.cast(layout).const(fields).as_value().value}


def loads_of(words: list[list[int]], arch: Arch) -> list[dict]:
    """Loads of weight words, two a load; the last one may have a word of zeros."""
    whole = words + [[0] * arch.columns] * (len(words) % 2)
    return [bits(weight_load(arch), pair) for pair in zip(whole[::2], whole[1::2], strict=True)]


class Pass:
    """The payloads of a pass, but for those by which it reads its map."""

    def __init__(self, case: Case) -> None:
        arch, given, expected = case.arch, loaded(case), expected_of(case)
        self.case = case
        self.rows = [bits(RowDescriptor, row) for row in case.geometry.row_descriptors(arch)]
        self.weights = loads_of(given["weights"].tolist(), arch)
        self.scales = [
            bits(ChannelScale, {"bias": int(bias), "multiplier": int(multiplier)})
            for bias, multiplier in zip(given["bias"], given["multiplier"], strict=True)
        ]
        self.scales += [{"bits": 0}] * (arch.columns - len(self.scales))
        self.coded = [
            {"data": int(word), "last": int(end)}
            for word, end in zip(expected.words, expected.last, strict=True)
        ]
        self.index = [entry_fields(entry["words"], entry["nonzeros"]) for entry in expected.index]
