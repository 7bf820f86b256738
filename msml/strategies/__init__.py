"""Selection strategies: how one candidate is chosen for each task.

`msml.stages.selection.Strategy` says what a strategy is, for one's own too.
"""
