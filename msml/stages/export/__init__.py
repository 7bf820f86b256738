"""A chain as files that others can compute with."""
