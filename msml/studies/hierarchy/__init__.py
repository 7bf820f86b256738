"""Tau identification inside event classification: DeepSets in a hierarchy (Saito et al., 2022)."""
