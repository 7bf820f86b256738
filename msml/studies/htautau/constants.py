"""Numbers that tensors and NumPy arrays share. Units: GeV."""

ETA_LIMIT = 5.0
TAU_MASS = 1.777  # GeV
REGULARISER = 0.1  # GeV^2, keeps the gradients of square roots finite
