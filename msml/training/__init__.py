"""The training engine: one compiled graph an epoch, exact resume, early stopping."""
