"""Many models of the same data: a grid of settings, each with several seeds, side by side, and a page of what came out."""
