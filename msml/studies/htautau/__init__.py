"""Higgs against Z bosons in di-tau events: the paper's study (Saito et al., vCHEP 2021)."""
