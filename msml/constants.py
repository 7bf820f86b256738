"""Numbers that tensors and NumPy arrays share. Units: GeV."""

PT_OFFSET = 0.1  # GeV, keeps the logarithm of a vanishing pt finite
LOG_PT_LIMIT = 7.0  # 1096.5 GeV, and -0.099 GeV at the other end
ETA_LIMIT = 5.0
TAU_MASS = 1.777  # GeV
REGULARISER = 0.1  # GeV^2, keeps the gradients of square roots finite
