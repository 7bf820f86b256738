"""Transfer learning between analysis channels."""
