"""The candidates of the paper."""

from msml.studies.htautau.models import end_to_end, higgs, tau

__all__ = ["end_to_end", "higgs", "tau"]
