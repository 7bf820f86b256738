"""A run applied to other events."""
