"""Bits in and out of 64-bit words: counting, the decoder's window, the encoder's packer."""
