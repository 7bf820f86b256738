"""The figures of the study of transfer."""

from msml.studies.transfer.figures import attention, gains, over_training

__all__ = ["attention", "gains", "over_training"]
