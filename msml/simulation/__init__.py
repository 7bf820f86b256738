"""Making events: Pythia, a parametric detector, jets, images. Needs the extra `simulate`."""
