"""DARTS: all candidates mixed in shares that α gives them."""
