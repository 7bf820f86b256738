"""Imported once by the server that the commands are forked from; no operation runs there."""

import msml.cli
import msml.report.run
import msml.report.selection
import msml.stages.evaluate
import msml.stages.opening
import msml.stages.run
import msml.strategies.darts.search
import msml.strategies.grid
from msml.training.environment import tensorflow

tensorflow()
__all__ = ["msml"]
