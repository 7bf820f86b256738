"""Figures of trained chains on the test split: ROC curves, di-tau masses, momentum response."""

from msml.recipe.validity import MomentumTask
from msml.report.evaluation.figures import draw_figures
from msml.report.evaluation.measured import Judged, Measured, TestEvents, momentum_task

__all__ = ["Judged", "Measured", "MomentumTask", "TestEvents", "draw_figures", "momentum_task"]
