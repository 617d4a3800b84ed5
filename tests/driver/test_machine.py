"""The driver, on a machine that is made up: registers by their numbers on the page, memory as bytes."""

import numpy as np
import pytest
from driver_images import MACHINE, image_of_noise, value_at

from hwsim.arch import Arch
from hwsim.driver import Driver, MappedBus, RunCounts
from hwsim.errors import DriverError
from hwsim.registers import COUNTERS, ERRORS, MachineError

REGISTERS, MEMORY, MEMORY_BYTES = 0x9000_0000, 0x8_4000_0000, 16384


class MadeUp:
    """A machine that writes ``result`` where the image says when it has been looked at ``looks`` times."""

    def __init__(self, *, error: int = 0, looks: int = 3, result: bytes = b"") -> None:
        self.memory = bytearray(MEMORY_BYTES)
        self.error, self.looks, self.result = error, looks, result
        self.left: int | None = None
        self.log: list[tuple[str, int, int]] = []
        self.pauses = 0
        arch = Arch(**MACHINE)
        machine = arch.cores | arch.columns << 11 | 16 << 18 | 8 << 23 | 2 << 28
        self.registers = {0x00: 0x4D535748, 0x04: 1, 0x08: machine, 0x0C: 1024, 0x10: 9216, 0x14: 512}
        self.registers |= {0x24: 0, 0x28: 0, 0x2C: 0, 0x30: 0, 0x34: 0, 0x38: 0, 0x3C: 0}
        counts = (0x1_2345_6789, 7, 5, 0xFFFF_0000_0001)
        for number, count in enumerate(counts):
            self.registers |= {0x40 + 8 * number: count & 0xFFFFFFFF, 0x44 + 8 * number: count >> 32}

    def read(self, address: int, size: int) -> bytes:
        if address >= MEMORY:
            return bytes(self.memory[address - MEMORY : address - MEMORY + size])
        assert size == 4
        if address - REGISTERS == 0x24 and self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                self.registers[0x24] = 2 | self.error << 8
                self.memory[4192 : 4192 + len(self.result)] = self.result
        return self.registers[address - REGISTERS].to_bytes(4, "little")

    def write(self, address: int, data: bytes) -> None:
        if address >= MEMORY:
            self.memory[address - MEMORY : address - MEMORY + len(data)] = data
            return
        value, register = int.from_bytes(data, "little"), address - REGISTERS
        assert len(data) == 4
        self.log.append(("write", register, value))
        if register == 0x20:
            self.left = self.looks if value == 1 else None
            self.registers[0x24] = value & 1
        else:
            self.registers[register] = value

    def pause(self) -> None:
        self.pauses += 1


def driver(machine: MadeUp, **options: int) -> Driver:
    return Driver(machine, registers=REGISTERS, memory=MEMORY, memory_bytes=MEMORY_BYTES, **options)


@pytest.mark.parametrize("signed", [False, True])
def test_an_image_is_loaded_run_and_its_result_read(signed):
    result = bytes(range(1, 193))
    machine = MadeUp(result=result)
    image = image_of_noise(4000, signed)
    made = driver(machine).run(image)
    assert machine.memory[: 192 + 4000] == image.to_bytes()
    assert machine.log[:4] == [
        ("write", 0x30, 0x4000_0000),
        ("write", 0x34, 8),
        ("write", 0x38, 192 + 8000),
        ("write", 0x3C, 0),
    ]
    assert machine.log[4:] == [("write", 0x2C, 1), ("write", 0x28, 1), ("write", 0x20, 1), ("write", 0x2C, 1)]
    assert machine.pauses == 3
    expected = [[[value_at(result, c, y, x, signed) for x in range(3)] for y in range(2)] for c in range(11)]
    np.testing.assert_array_equal(made, expected)


def test_counts_are_of_64_bits():
    assert driver(MadeUp()).counts() == RunCounts(0x1_2345_6789, 7, 5, 0xFFFF_0000_0001)
    assert list(RunCounts.__dataclass_fields__) == list(COUNTERS)


def test_a_machine_says_what_it_is():
    assert driver(MadeUp()).machine == {
        "cores": 3,
        "columns": 8,
        "activation_bits": 16,
        "weight_bits": 8,
        "lanes": 2,
        "skip_zeros": 0,
        "accumulators": 1024,
        "weight_words": 9216,
        "map_buffer": 32768,
    }


@pytest.mark.parametrize(
    ("register", "value", "words"),
    [
        (0x00, 0xFFFFFFFF, "at 0x90000000 is 0xffffffff, and no machine"),
        (0x04, 2, "registers of kind 2, this driver knows kind 1"),
        (0x0C, 512, "the image is for accumulators = 1024, the machine has 512"),
        (0x14, 256, "the image is for map_buffer = 32768, the machine has 16384"),
        (0x24, 1, "at work"),
    ],
)
def test_what_is_not_the_machine_for_an_image_is_one_line(register, value, words):
    machine = MadeUp()
    machine.registers[register] = value
    with pytest.raises(DriverError, match=words) as raised:
        driver(machine).load(image_of_noise(4000, False))
    assert "\n" not in str(raised.value)
    assert not any(machine.memory)


def test_an_image_that_has_no_room_is_not_written():
    machine = MadeUp()
    small = Driver(machine, registers=REGISTERS, memory=MEMORY, memory_bytes=8191)
    with pytest.raises(DriverError, match="needs 8192 bytes of memory, there are 8191"):
        small.load(image_of_noise(4000, False))
    assert not any(machine.memory)
    with pytest.raises(DriverError, match="multiple of 32"):
        Driver(machine, registers=REGISTERS, memory=MEMORY + 16, memory_bytes=MEMORY_BYTES)


@pytest.mark.parametrize("error", [*MachineError][1:])
def test_a_run_that_stops_says_why(error):
    with pytest.raises(DriverError, match=ERRORS[error]):
        driver(MadeUp(error=error)).run(image_of_noise(4000, False))


def test_an_error_that_is_not_known_has_its_number():
    with pytest.raises(DriverError, match="error 77"):
        driver(MadeUp(error=77)).run(image_of_noise(4000, False))


def test_a_run_that_does_not_end_is_aborted():
    machine = MadeUp(looks=1000)
    with pytest.raises(DriverError, match="not done after 20 pauses, and was aborted"):
        driver(machine, patience=20).run(image_of_noise(4000, False))
    assert machine.log[-1] == ("write", 0x20, 2)
    assert machine.pauses == 20


def test_an_abort_that_does_not_end_asks_for_a_reset():
    machine = MadeUp()
    late = driver(machine, patience=5)
    machine.write = lambda address, data: machine.registers.update({0x24: 1})
    with pytest.raises(DriverError, match="reset it"):
        late.abort()


def test_a_part_of_a_file_is_a_bus(tmp_path):
    path = tmp_path / "mem"
    path.write_bytes(bytes(8192))
    with MappedBus(path, 4096, 4096) as bus:
        bus.write(4096 + 8, b"\x01\x02\x03\x04")
        bus.write(4096 + 33, b"hwsim")
        assert bus.read(4096 + 8, 4) == b"\x01\x02\x03\x04"
        assert bus.read(4096 + 32, 6) == b"\0hwsim"
        for address, size in ((4095, 2), (8190, 3), (4097, 4)):
            with pytest.raises(DriverError, match="not in what is mapped"):
                bus.read(address, size)
    data = path.read_bytes()
    assert data[4096 + 8 : 4096 + 12] == b"\x01\x02\x03\x04"
    assert data[4096 + 33 : 4096 + 38] == b"hwsim"
    with pytest.raises(DriverError, match="cannot be mapped"):
        MappedBus(path, 4096, 8192)
    with pytest.raises(DriverError, match="cannot be mapped"):
        MappedBus(tmp_path / "none", 0, 4096)
