"""Moves that leave a density as it is: Markov chains over latents."""
