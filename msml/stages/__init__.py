"""The stages of a run: pretrain, posttrain, evaluate."""
