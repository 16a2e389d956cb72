"""Which backend and devices run, how fast, and several of them together."""
