"""Fill in the table of docs/synthesis.md of machines that an LFE5U-85F holds, and what runs on them.

python docs/pictures/fpga_machine.py
"""

from __future__ import annotations

from pathlib import Path

import hwsim
from hwsim.arch import Arch
from hwsim.errors import ArchError
from hwsim.machine.area import DEVICE, area, fpga_machine
from hwsim.report import text

PAGE = Path(__file__).resolve().parents[1] / "synthesis.md"
BEGIN, END = "<!-- docs/pictures/fpga_machine.py -->", "<!-- end of fpga_machine.py -->"
TRACES = {
    "LeNet-5": "lenet5_digits/sparse",
    "ResNet-18, width 1/8": "resnet18_cifar10/l1_fatrelu",
    "MobileNet-V1, width 1/4": "mobilenet_v1_cifar10/l1_fatrelu",
    "MobileNet-V1, ImageNet": "mobilenet_v1_imagenet/baseline",
    "Inception-V3": "inception_v3/baseline",
}
KIB = 1024


def machines() -> list[Arch]:
    """The one that ``hwsim arch --fpga`` prints, and others of as many block RAMs or fewer."""
    first = fpga_machine()
    others: list[dict[str, object]] = [
        {"accumulators": 1024, "weight_words": 4608, "map_buffer": 128 * KIB},
        {"cores": 3, "weight_words": 4608, "map_buffer": 64 * KIB},
        {"cores": 4, "weight_words": 1024, "map_buffer": 64 * KIB},
        {"cores": 1, "columns": 16},
        {"cores": 1, "columns": 32, "weight_words": 2048, "map_buffer": 64 * KIB},
        {"cores": 1, "map_buffer": 256 * KIB},
    ]
    found = [first, *(first.replace(**fields) for fields in others)]
    for arch in found:
        cells = area(arch)
        if any(getattr(cells, name) > most for name, most in DEVICE.items()):
            raise ValueError(f"{arch} takes {cells}: it does not fit")
    return found


def row(arch: Arch) -> list[str]:
    """A line of the table."""
    cells = area(arch)
    head = [
        f"{arch.cores} x {arch.columns}",
        text.whole(arch.accumulators),
        text.whole(arch.weight_words),
        str(arch.map_buffer // KIB),
        text.whole(cells.luts),
        str(cells.dsps),
        str(cells.brams),
    ]
    return [*head, *(_runs(arch, trace) for trace in TRACES.values())]


def _runs(arch: Arch, trace: str) -> str:
    """Time of image 0 and the speedup over the machine's own dense baseline, or why it does not run."""
    try:
        result = hwsim.simulate(trace, arch, images=[0])
    except ArchError:
        return "no"
    seconds = result.total("skipping") / (arch.clock_mhz * 1e6)
    return f"{text.seconds(seconds)}, {text.factor(result.speedup)}"


def main() -> None:
    titles = [
        "cores x columns",
        "accumulators",
        "weight words",
        "map buffer, KiB",
        "LUTs",
        "DSPs",
        "block RAMs",
    ]
    lines = [[*titles, *TRACES], ["---:"] * (len(titles) + len(TRACES)), *map(row, machines())]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    page = PAGE.read_text(encoding="utf-8")
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
