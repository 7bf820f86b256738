"""The figures of the study of transfer."""

from msml.studies.transfer.figures import attention, gains

__all__ = ["attention", "gains"]
