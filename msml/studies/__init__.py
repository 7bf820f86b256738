"""Studies: each a folder with models, losses, metrics and figures of one analysis.

The framework imports none of them: the registry loads what they register, as it does a plugin's.
"""
