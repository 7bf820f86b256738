"""Which inputs matter to a trained chain, and how."""
