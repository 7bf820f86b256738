"""What a pre-training depends on: runs in which that is the same share it."""

from collections.abc import Mapping
from typing import Any

from msml.chain import frozen
from msml.files import fingerprint
from msml.recipe.expand import TaskSpec, upstream
from msml.registry import losses, models, plugin_fingerprint


def pretraining_mark(
    tasks: Mapping[str, TaskSpec], task: str, candidate: str, facts: Mapping[str, Any]
) -> str:
    """Return a mark that is the same for two pre-trainings that give the same.

    Args:
        tasks: All tasks of the recipe by name, in order.
        task: One of them.
        candidate: One of its candidates.
        facts: What it depends on besides: events, settings, seed and the like.
    """
    spec, model = tasks[task], tasks[task].candidates[candidate]
    described: dict[str, Any] = {
        **facts,
        "task": [task, spec.inputs, spec.target, spec.loss, dict(spec.loss_args)],
        "upstream": [tasks[earlier].target for earlier in upstream(spec.inputs, tasks)],
        "candidate": [candidate, model.model],
        "arguments": dict(model.args),
    }
    sources = map(plugin_fingerprint, (models.get(model.model), losses.get(spec.loss)))
    if plugins := [mark for mark in sources if mark is not None]:
        described["plugins"] = plugins
    if needed := frozen(tasks, task):
        described["frozen"] = {
            earlier: [pretraining_mark(tasks, earlier, name, facts) for name in known.candidates]
            for earlier, known in tasks.items()
            if earlier in needed
        }
    return fingerprint(described)[:20]
