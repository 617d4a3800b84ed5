"""From symbols to output words: scatter, multiply, accumulate, drain; the core and its parts."""
