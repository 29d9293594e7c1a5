"""The registry, a kind of part to a file: each part once, with ordinary inputs for its tests."""
