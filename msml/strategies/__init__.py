"""Selection strategies: how one candidate is chosen for each task."""
