"""Sweeps: many runs of one recipe, as units of work that meet through files only."""
