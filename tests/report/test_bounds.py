"""What bounds a speedup, in words: worked out by hand from a result made by hand."""

from dataclasses import replace

from hwsim.machine.runs import CAUSES
from hwsim.report.bounds import (
    BEYOND_MEANINGS,
    BOUND_COLUMNS,
    DEFINITIONS,
    beyond_words,
    bound_words,
    energy_words,
    speedup_words,
)
from hwsim.report.tables import LAYER_COLUMNS
from hwsim.report.text import TIMES


def test_speedup_mac_ratio_and_busy_multipliers(result):
    # 501 / 321 cycles; 4000 / 1300 MACs; of 32 multipliers.
    assert speedup_words(result.overall()) == (
        f"Speedup 1.56{TIMES} over the dense baseline; MAC ratio 3.08{TIMES}; multipliers busy 12.7 % of the "
        "time (dense 25.0 %)."
    )


def test_the_bound_on_compute_and_the_effect_of_dram_stand_apart(result):
    # Least: ceil of 500, 200, 600 and 0 MACs / 32, 42 in two images; dense 4 x 32. Channel: 304.5 and 394.5
    # bytes, 32 a cycle. Waiting: 60 of dram and 190 of weights of 1284 core-cycles; the baseline never does.
    assert bound_words(result.overall()) == (
        "The multipliers alone would take 21 cycles (dense 64), the DRAM channel alone 10 (dense 12). "
        "Waiting for DRAM takes 19.5 % of the core-cycles (dense 0.0 %); without it the speedup is "
        f"{2004 / 1034:.2f}{TIMES}."
    )


def test_energies_with_the_estimate_labelled_as_one(result):
    # 28 pJ a cycle; the estimate: 1000 MACs of 0.4 pJ in each of four dense runs.
    assert energy_words(result.overall()) == (
        f"Energy of an image 4.49 nJ; dense baseline 7.01 nJ (1.56{TIMES}); estimate of a dense machine with "
        f"its sums in registers 800 pJ (0.18{TIMES})."
    )


def test_layers_within_their_mac_ratio_as_shown_are_not_spoken_of(result):
    first, second = result.per_layer()
    assert (first["beyond"], second["beyond"]) == ("compute", None)  # 401 / 220 is 0.2 % above 2000 / 1100
    assert beyond_words(result.per_layer()) == ""
    assert "beyond" not in speedup_words(result.overall())


def test_what_exceeds_the_mac_ratio_is_named_with_its_cause(result):
    def slowed(run):
        return replace(run, cycles=1000, causes={**run.causes, "imbalance": 4000 - run.cycles * 4})

    layers = tuple(replace(layer, dense=slowed(layer.dense)) for layer in result.layers)
    slow = replace(result, layers=layers)
    assert beyond_words(slow.per_layer()) == (
        "Beyond their MAC ratio, by what the baseline loses more to: "
        f"first (9.09{TIMES} of 1.82{TIMES}: imbalance), second (19.80{TIMES} of 10.00{TIMES}: imbalance)."
    )
    assert speedup_words(slow.overall()).endswith(
        "; beyond the MAC ratio by the baseline's cores that are done while another one works."
    )


def test_many_layers_beyond_are_counted(result):
    row = {"layer": "x", "speedup": 2.0, "mac_ratio": 1.5, "beyond": "taps"}
    assert beyond_words([row] * 6).count("taps") == 6
    assert beyond_words([row] * 8).endswith(" and 2 more.")


def test_every_cause_can_be_named_and_every_word_is_defined():
    assert tuple(BEYOND_MEANINGS) == CAUSES
    titles = {column.title.removeprefix("dense ") for column in BOUND_COLUMNS}
    known = {"layer", "cycles", "speedup", "channel"} | set(DEFINITIONS)
    assert titles <= known
    assert {"MAC ratio", "beyond by"} <= {column.title for column in LAYER_COLUMNS} & set(DEFINITIONS)
