"""The formulas of docs/integration.md, written once more, give the descriptors of random networks."""

from math import ceil, log2, prod

from hypothesis import assume, given, settings
from page_parser import Parsed
from random_programs import programs

from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.workload import Workload
from hwsim.program import compile_network


def most_open(layer: Layer) -> int:
    """Output rows that are open at once, counted: each from the first row that it reads to the last one."""
    begins = [row * layer.stride[0] - layer.padding[0] for row in range(layer.out_shape[1])]
    rows = range(layer.in_shape[1])
    return max(sum(begin <= y < begin + layer.kernel[0] for begin in begins) for y in rows)


@settings(max_examples=60, deadline=None)
@given(programs())
def test_fields_of_random_networks_are_those_of_the_formulas(case):
    trace, arch = case
    try:
        parsed = Parsed(compile_network(trace, arch).to_bytes())
    except ArchError as error:  # groups of an odd number of filters
        assume("its units make different numbers of channels" not in str(error))
        raise
    block = parsed.header["map_block"]
    jobs = Workload(trace, 0).jobs(arch)
    followers = [layer for layer, _, _ in parsed.layers[1:]] + [None]
    for job, (layer, passes, _), following in zip(jobs, parsed.layers, followers, strict=True):
        geometry, parts = job.layer, job.mapping.parts
        channels, height, width = geometry.in_shape
        out_width, kernel = geometry.out_shape[2], prod(geometry.kernel)
        depthwise = geometry.kind == "depthwise"
        b = min(block, channels)
        taps = ceil(kernel / arch.columns) if depthwise else kernel
        first, last = len(parts[0].reads), len(parts[-1].reads)
        ends = [*range(b, channels, b), channels]
        sizes = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
        places = [ceil(size * width * layer["in_bits"] / 256) for size in sizes]
        e = ceil(log2(width))
        depth = max(2, 2 ** ceil(log2(max(1, arch.accumulators // 8))))
        row = (len(parts[0].makes) if depthwise else 1) * out_width
        units = [
            ceil(6 * len(unit.makes) / 32)
            + ceil(
                len(unit.reads)
                * taps
                * (arch.columns if depthwise else len(unit.makes))
                * arch.weight_bits
                / 256
            )
            for unit in parts
        ]
        expected = {
            "reciprocal": ceil(2 ** (16 + e) / width),
            "row_sub_banks": ceil(row / depth),
            "map_segments": ceil(channels / b),
            "place_beats": places[0],
            "row_beats": sum(places),
            "index_line": ceil(height * sum(places) / 2),
            "full_values": b * width,
            "segments": ceil(first / b),
            "tail_values": (first - (ceil(first / b) - 1) * b) * width,
            "pass_words": first * taps,
            "segment_words": b * taps,
            "segment_pixels": b * out_width if depthwise else 0,
            "odd_segments": ceil(last / b),
            "odd_tail_values": (last - (ceil(last / b) - 1) * b) * width,
            "odd_pass_words": last * taps,
            "row_groups": len(job.mapping.groups),
            "units": len(parts),
            "unit_segments": ceil(len(parts[0].makes) / layer["out_block"]),
            "weights_stride": max(units),
        }
        if following:
            size = 64 + 8 * following["clamped"] + 8 * following["pool_word"]
            size += following["row_groups"] * (8 * following["units"] + ceil(following["out_height"] / 8))
            expected["next_beats"] = ceil(size / 32)
        assert {name: layer[name] for name in expected} == expected
        if geometry.dilation == (1, 1) and not geometry.transposed:
            assert (
                layer["ring"] == most_open(geometry) + 1 <= ceil(geometry.kernel[0] / geometry.stride[0]) + 1
            )
        for one in passes:
            unit = parts[one["unit"]]
            assert one["first_segment"] == unit.reads.start // b
            assert one["channels"] == len(unit.makes)
            assert one["odd"] == (len(unit.reads) != first)
        block = layer["out_block"]
