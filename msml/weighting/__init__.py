"""Ways to weigh the task losses in training: fixed weights v_t, and rules that set them."""
