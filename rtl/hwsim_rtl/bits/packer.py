"""Pieces of a code to 64-bit words."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import WORD_BITS
from hwsim_rtl.bits.word import Word


class Piece(data.StructLayout):
    """``length`` bits of a code: ``low`` the last of them, all before it zeros; ``last`` of its segment."""

    def __init__(self, max_length: int, low_bits: int) -> None:
        super().__init__({"low": low_bits, "length": range(max_length + 1), "last": 1})


class Packer(wiring.Component):
    """Pack pieces into words; each segment is padded with zero bits to whole words.

    One piece a cycle for ever while ``words`` are taken. A piece never makes more than one word: what the
    last piece of a segment leaves over goes out while the first piece of the next one comes in, and that
    piece alone cannot fill a word. So no FIFO is needed.

    A piece that is taken in cycle t and fills a word makes it valid on ``words`` in t + 1; the last word of
    a segment is valid in t + 2 for its last piece, whether that fills the word or not. While a word is not
    taken, no piece is.

    Args:
        max_length: most bits of a piece, 1 .. 49.
        low_bits: width of ``low``, 1 .. max_length, and at most 65 - max_length.

    Ports:
        pieces: In(stream of Piece); ``length`` at least 1.
        words: Out(stream of Word).
    """

    def __init__(self, max_length: int, low_bits: int) -> None:
        if not 1 <= max_length <= 49:
            raise ValueError(f"max_length must be 1 .. 49, not {max_length}")
        most = min(max_length, WORD_BITS + 1 - max_length)
        if not 1 <= low_bits <= most:
            raise ValueError(f"low_bits must be 1 .. {most}, not {low_bits}")
        self._max_length = max_length
        super().__init__(
            {
                "pieces": In(stream.Signature(Piece(max_length, low_bits))),
                "words": Out(stream.Signature(Word)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        piece = self.pieces.payload
        step = Signal()  # the pipeline moves unless a word waits
        m.d.comb += step.eq(self.words.ready | ~self.words.valid)
        m.d.comb += self.pieces.ready.eq(step)

        # First stage: where the piece ends, in the word that it ends in.
        fill = Signal(range(WORD_BITS))  # bits of the word so far
        end = Signal(range(WORD_BITS + self._max_length))
        m.d.comb += end.eq(fill + piece.length)
        low = Signal.like(piece.low)
        at = Signal(range(WORD_BITS))
        placed, fills, ends = Signal(), Signal(), Signal()
        with m.If(step):
            m.d.sync += placed.eq(self.pieces.valid)
        with m.If(step & self.pieces.valid):
            m.d.sync += [
                fill.eq(Mux(piece.last, 0, end)),
                low.eq(piece.low),
                at.eq(end),
                fills.eq(Mux(piece.last, end > WORD_BITS, end >= WORD_BITS)),
                ends.eq(piece.last),
            ]

        # Second stage: the piece turned to its place. If it fills the word, the bits that end there are among
        # the last `low_bits` of the word, and those of the next word among its first `max_length - 1`.
        turned = _rotate_right(m, low, at)
        here = turned & ((1 << len(low)) - 1)
        there = turned & -(1 << (WORD_BITS + 1 - self._max_length))
        word = Signal(WORD_BITS)
        done = Signal()  # `word` is the last of its segment
        kept = Mux(done, 0, word)
        with m.If(step):
            m.d.sync += done.eq(placed & ends)
            m.d.sync += word.eq(Mux(placed, Mux(fills, there, kept | turned), kept))

        m.d.comb += [
            self.words.valid.eq(done | (placed & fills)),
            self.words.payload.data.eq(word | Mux(done, 0, here)),
            self.words.payload.last.eq(done),
        ]
        return m


def _rotate_right(m: Module, low: Value, count: Value) -> Value:
    """``low``, in a word, turned right by ``count``."""
    word = Cat(low, Const(0, WORD_BITS - len(low)))
    for i, bit in enumerate(count):
        turned = Signal(WORD_BITS, name=f"turned_{1 << i}")
        m.d.comb += turned.eq(Mux(bit, word.rotate_right(1 << i), word))
        word = turned
    return word
