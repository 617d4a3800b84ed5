"""A whole network in integers equals one computed integer by integer, backwards from what is asked."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from flow_cases import Case, networks
from hypothesis import given, settings
from reference_between import pixel

from hwsim.between import Clip, Flow, Value
from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.reference import run_network


def naive(case):
    """The integer of any value at any place, by recursion from its maker; nothing is put in order."""
    makers = {operator.output: operator for operator in case.operators}
    makers |= {case.results[layer.name]: layer for layer in case.layers}

    @cache
    def at(name: str, c: int, y: int, x: int) -> int:
        if name in case.codes:
            code = int(case.codes[name][c, y, x])
            signed = case.values[name].signed
            return ((code + 1) // 2 if code % 2 else -code // 2) if signed else code
        maker, made = makers[name], case.values[name]
        if not isinstance(maker, Layer):
            read: list[Any] = [
                (case.values[each].shape, lambda c, y, x, each=each: at(each, c, y, x))
                for each in maker.inputs
            ]
            return pixel(maker, read, made.shape)(c, y, x)
        weights, drain, total = case.all_weights[maker.name], case.drains[maker.name], 0
        for k, i, j in np.ndindex(weights.shape[1:]):
            row, column = y + i - maker.padding[0], x + j - maker.padding[1]
            if 0 <= row < maker.in_shape[1] and 0 <= column < maker.in_shape[2]:
                total += at(maker.input, k, row, column) * int(weights[c, k, i, j])
        total = (total + int(drain.bias[c]) + 2**31) % 2**32 - 2**31
        value = (2 * total * int(drain.multiplier[c]) + 2**drain.shift) // 2 ** (drain.shift + 1)
        least, largest = made.limits
        return min(max(value, 0 if drain.relu else least), largest)

    return at


@settings(max_examples=100)
@given(case=networks())
def test_a_network_is_the_same_forwards_and_backwards(case):
    case.flow.check(case.layers, [info.value for info in case.maps.values()])
    made = run_network(case, 0)
    read = {layer.input for layer in case.layers} | {x for op in case.operators for x in op.inputs}
    ends = set(case.values) - read
    assert set(made) == set(case.maps) | ends
    at = naive(case)
    for name, codes in made.items():
        assert codes.dtype == np.uint16
        value = case.values[name]
        expected = [at(name, *place) for place in np.ndindex(value.shape)]
        if value.signed:
            expected = [2 * v - 1 if v > 0 else -2 * v for v in expected]
        assert codes.shape == value.shape
        assert codes.ravel().tolist() == expected
    again = run_network(case, case.codes)
    assert all((again[name] == made[name]).all() for name in made)


@given(case=networks())
def test_the_order_of_layers_and_operators_does_not_matter(case):
    before = run_network(case, 0)
    case.layers.reverse()
    case.operators.reverse()
    after = run_network(case, 0)
    assert all((after[name] == before[name]).all() for name in before)


@given(case=networks(steps=1))
def test_what_is_not_given_is_asked_for(case):
    for codes in ({}, {**case.codes, "image": np.zeros((9, 9, 9), np.uint16)}):
        with pytest.raises(TraceError, match=r"case: map image of shape .* must be given"):
            run_network(case, codes)


def test_a_trace_without_a_flow_says_what_to_do():
    class Old(Case):
        flow = None

    with pytest.raises(TraceError, match="does not say what lies between its maps: capture"):
        run_network(Old({}), 0)


LAYER = Layer("l", "conv", "m", (1, 2, 2), (1, 2, 2))
MAP = Value("m", (1, 2, 2), 8, False, 1.0)
RESULT = replace(MAP, name="r")
CLIP = Clip(("image",), "m", 0, 9)
GOOD = Flow(("image",), {"first": "m", "l": "r"}, (RESULT,))
FIRST = replace(LAYER, name="first", input="image")
IMAGE = replace(MAP, name="image")
BAD = {
    "a layer without a result": ({"results": {"l": "r"}}, "not those of the layers"),
    "a result of no layer": ({"results": {**GOOD.results, "x": "r"}}, "not those of the layers"),
    "one name twice": ({"values": (RESULT, replace(RESULT, bits=7))}, "have one name"),
    "a value with a map's name": ({"values": (RESULT, MAP)}, "have one name"),
    "a map of two makers": ({"operators": (CLIP,)}, "m is made 2 times"),
    "a map made and given": ({"inputs": ("image", "m")}, "m is made 2 times"),
    "a map of no maker": ({"results": {"first": "s", "l": "r"},
                           "values": (RESULT, replace(RESULT, name="s"))}, "nothing makes m"),
    "a value of no maker": ({"values": (RESULT, replace(RESULT, name="s"))}, "nothing makes s"),
    "a maker of nothing": ({"operators": (replace(CLIP, output="s"),)}, "s is made, and is neither"),
    "an input that is no map": ({"inputs": ("image", "r"), "results": {"first": "m", "l": "s"},
                                 "values": (RESULT, replace(RESULT, name="s"))}, "r is given, and is no map"),
    "an operator of nothing": ({"values": (RESULT, replace(RESULT, name="s")),
                                "operators": (replace(CLIP, inputs=("t",), output="s"),)}, "s is made of t"),
    "a result of another shape": ({"values": (replace(RESULT, shape=(1, 2, 3)),)}, "has another shape"),
    "a map made of itself": ({"results": {"first": "s", "l": "r"},
                              "values": (RESULT, replace(RESULT, name="s")),
                              "operators": (replace(CLIP, inputs=("r",)),)}, "made of itself"),
    "an operator that does not fit": ({"values": (RESULT, replace(RESULT, name="s", scale=2.0)),
                                       "operators": (replace(CLIP, output="s"),)}, "keeps the scale"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_flow_that_is_not_one_is_refused(what):
    GOOD.check([FIRST, LAYER], [IMAGE, MAP])
    changes, told = BAD[what]
    with pytest.raises(ValueError, match=told):
        replace(GOOD, **changes).check([FIRST, LAYER], [IMAGE, MAP])
