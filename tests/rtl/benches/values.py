"""Random values for the benches of decoder and encoder."""

import random


def all_runs(longest: int, bits: int) -> list[int]:
    """A run of zeros of every length up to ``longest``, each once before the largest value and once before a
    smaller one."""
    runs = [(run, value) for run in range(longest + 1) for value in ((1 << bits) - 1, 1 << run % bits)]
    return [value for run, end in runs for value in (*[0] * run, end)]


def random_values(count: int, bits: int) -> list[int]:
    """Values below 2^bits, of one random density; magnitudes of every length, with the two ends often."""
    density = random.choice([0.0, 0.02, 0.2, 0.6, 1.0])
    ends = random.choice([0.1, 0.9])

    def nonzero() -> int:
        if random.random() < ends:
            return random.choice([1, (1 << bits) - 1])
        return random.randrange(1, 1 << random.randint(1, bits))

    return [nonzero() if random.random() < density else 0 for _ in range(count)]
