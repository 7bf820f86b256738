"""Strategies that train one path a batch: one candidate of each task, drawn by chance."""
