"""Bits in and out of words: counting, the decoder's window, the encoder's packer, pieces of beats."""
