"""Multi-step machine learning with model selection for high-energy physics."""

__version__ = "0.1.0"
