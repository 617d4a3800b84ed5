"""What a program can hold between two layers, and what it refuses by the name of the layer, by hand."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from hwsim.between import AveragePool, Clip, Flow, MaxPool, Operator, Reshape, Value
from hwsim.errors import ProgramError
from hwsim.layer import Layer
from hwsim.machine.chain import Link, links

RESULT = (4, 6, 8)  # channels, rows and columns that the first layer makes


def network(*steps: tuple[Operator, tuple[int, int, int]], further: tuple[Operator | Layer, ...] = ()):
    """A chain of two layers, with operators between that make values of these shapes, and what reads more."""
    shapes = {"in": (1, 6, 8), "0": RESULT} | {operator.output: shape for operator, shape in steps}
    last = list(shapes)[-1]
    one = Layer("one", "conv", "in", shapes["in"], RESULT)
    two = Layer("two", "conv", last, shapes[last], (2, *shapes[last][1:]))
    others = [each for each in further if isinstance(each, Layer)]
    results = {layer.name: f"result of {layer.name}" for layer in (two, *others)} | {"one": "0"}
    operators = (*(step for step, _ in steps), *(each for each in further if not isinstance(each, Layer)))
    values = tuple(Value(name, shape, 8, False, 1.0) for name, shape in shapes.items())
    return SimpleNamespace(
        title="small",
        layers=[one, two, *others],
        maps={},
        flow=Flow(inputs=("in",), results=results, values=values, operators=operators),
    )


def pool(kernel=(2, 2), stride=(2, 2), padding=(0, 0, 0, 0), source="0", makes="1") -> MaxPool:
    return MaxPool((source,), makes, kernel, stride, padding)


def reshape(axes=(0, 1, 2), source="0", makes="1") -> Reshape:
    return Reshape((source,), makes, axes)


def window(rows, columns, vertical, horizontal, top=0, left=0) -> dict[str, int]:
    strides = {"vertical_stride": vertical, "horizontal_stride": horizontal}
    return {"rows": rows, "columns": columns, **strides, "top": top, "left": left}


@pytest.mark.parametrize(
    ("steps", "link"),
    [
        ([], Link()),
        ([(pool(), (4, 3, 4))], Link(window(2, 2, 2, 2))),
        # Rows: (6 - 3) / 1 + 1; columns: (8 + 2 - 2) / 3 + 1 = 3 and 2/3.
        ([(pool((3, 2), (1, 3), (0, 1, 0, 1)), (4, 4, 3))], Link(window(3, 2, 1, 3, left=1))),
        ([(pool((2, 3), (3, 1), (1, 0, 1, 0)), (4, 3, 6))], Link(window(2, 3, 3, 1, top=1))),
        ([(reshape(), (192, 1, 1))], Link(flatten=True)),
        ([(reshape(), (192, 1, 1)), (reshape(source="1", makes="2"), (192, 1, 1))], None),
        (
            [(pool(), (4, 3, 4)), (reshape(source="1", makes="2"), (48, 1, 1))],
            Link(window(2, 2, 2, 2), flatten=True),
        ),
        ([(reshape(), (192, 1, 1)), (pool((1, 1), (1, 1), source="1", makes="2"), (192, 1, 1))], None),
        ([(pool(), (4, 3, 4)), (pool(source="1", makes="2"), (4, 1, 2))], None),
    ],
)
def test_a_pool_and_then_a_flattening_at_most_lie_between_two_layers(steps, link):
    chain = network(*steps)
    if link is None:
        with pytest.raises(ProgramError, match="layer one: more than a pool and a flattening follows it"):
            links(chain)
    else:
        assert links(chain) == [link, Link()]
        assert link.remade == bool(steps)


def test_values_that_are_laid_out_already_are_not_remade():
    chain = network((pool((6, 8), (1, 1)), (4, 1, 1)), (reshape(source="1", makes="2"), (4, 1, 1)))
    assert links(chain) == [Link(window(6, 8, 1, 1)), Link()]


@pytest.mark.parametrize(
    ("step", "made"),
    [
        (reshape((1, 2, 0)), (192, 1, 1)),
        (reshape((0, 2, 1)), (192, 1, 1)),
        (reshape(), (96, 2, 1)),
        (reshape(), (96, 1, 2)),
        (reshape(), (4, 8, 6)),
    ],
)
def test_only_a_flattening_in_the_order_of_channels_rows_and_columns_is_held(step, made):
    with pytest.raises(
        ProgramError, match=rf"layer one: its values are laid out anew, \(4, 6, 8\) as \({made[0]},"
    ):
        links(network((step, made)))


@pytest.mark.parametrize(
    ("padding", "made"),
    [
        # Windows of 2 x 2, one after the other: 3 rows and 4 columns without padding, a row or a column more
        # beyond two edges of one, and of a padded first edge alone.
        ((1, 0, 0, 0), (4, 3, 4)),
        ((0, 0, 2, 0), (4, 4, 4)),
        ((0, 1, 0, 0), (4, 3, 4)),
        ((0, 0, 0, 2), (4, 3, 5)),
    ],
)
def test_a_pool_goes_as_far_beyond_both_edges(padding, made):
    with pytest.raises(ProgramError, match="further beyond one edge than the other"):
        links(network((pool(padding=padding), made)))


def average(multipliers=((48, 1365),), low=0, high=255) -> AveragePool:
    """The mean of a whole map of 6 x 8 values, 1365 / 2^16 of their sum, within what 8 bits hold."""
    return AveragePool(("0",), "1", low, high, 16, (6, 8), (6, 8), (0, 0, 0, 0), False, multipliers)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("low", [-127, 0])
def test_an_average_pool_has_the_multiplier_shift_and_clamps_of_a_drain(signed, low):
    chain = network((average(low=low if signed else 0, high=127 if signed else 255), (4, 1, 1)))
    made = replace(chain.flow.values[-1], signed=signed)
    chain.flow = replace(chain.flow, values=(*chain.flow.values[:-1], made))
    mean = {"average": 1, "multiplier": 1365, "shift": 16, "relu": int(signed and low == 0)}
    assert links(chain) == [Link(window(6, 8, 6, 8) | mean), Link()]
    assert links(chain)[0].has_word


def test_means_of_other_clamps_and_of_windows_of_several_sizes_are_refused():
    sizes = "layer one: windows of its average pool see different numbers of places"
    with pytest.raises(ProgramError, match=sizes):
        links(network((average(multipliers=((24, 2731), (48, 1365))), (4, 1, 1))))
    for other in (average(high=254), average(low=1), average(multipliers=((48, -1365),))):
        with pytest.raises(ProgramError, match="layer one: its means are clamped to"):
            links(network((other, (4, 1, 1))))


def test_a_clamp_of_what_lies_within_it_is_nothing_between_two_layers():
    steps = [(Clip(("0",), "1", 0, 255), RESULT), (pool(source="1", makes="2"), (4, 3, 4))]
    assert links(network(*steps)) == [Link(window(2, 2, 2, 2)), Link()]


@pytest.mark.parametrize(
    ("field", "most"),
    [(0, 7), (1, 7), (2, 7), (3, 7), (4, 3), (5, 3)],
)
def test_a_pool_has_a_word_if_a_descriptor_has_no_room_for_it(field, most):
    for value, has_word in ((most, False), (most + 1, True)):
        sizes = [1] * 4 + [0] * 2
        sizes[field] = value
        assert Link(window(*sizes)).has_word == has_word


def test_every_average_pool_has_a_word():
    mean = {"average": 1, "multiplier": 1 << 14, "shift": 16, "relu": 0}
    assert Link(window(2, 2, 2, 2) | mean).has_word
    assert not Link(window(2, 2, 2, 2)).has_word
    assert not Link(flatten=True).has_word


def test_other_operators_and_other_readers_are_refused():
    with pytest.raises(ProgramError, match="layer one: clip follows it"):
        links(network((Clip(("0",), "1", 0, 254), RESULT)))
    further = "layer one: other layers or operators read it than the layer that follows"
    with pytest.raises(ProgramError, match=further):
        links(network(further=(pool(makes="more"),)))
    with pytest.raises(ProgramError, match=further):
        links(network((pool(), (4, 3, 4)), further=(pool(source="1", makes="more"),)))
    third = Layer("three", "conv", "result of two", (2, 6, 8), (1, 6, 8))
    assert links(network(further=(third,))) == [Link()] * 3
    third = Layer("three", "conv", "0", RESULT, (1, 6, 8))
    with pytest.raises(ProgramError, match=further):
        links(network(further=(third,)))
    chain = network(further=(third,))
    chain.layers[1] = replace(chain.layers[1], input="in", in_shape=(1, 6, 8))
    with pytest.raises(ProgramError, match="layer one: layer three reads it, which does not follow"):
        links(chain)
