"""Whether a task's outputs are momenta: a Gaussian-process reference and the bands it gives."""
