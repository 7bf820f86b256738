"""Candidates: functions that build Keras models, registered by name."""
