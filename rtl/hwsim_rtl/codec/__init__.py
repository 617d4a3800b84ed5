"""The SEG decoder and encoder, and what travels on their streams."""
