"""How far losses on train and valid grow apart, by what networks start from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msml.plotting import COLOURS
from msml.registry import figures
from msml.report.looks import NothingToDraw, new_figure
from msml.report.results import Results
from msml.runs import log
from msml.studies.transfer.figures.gains import CHAIN, KEY, SIZE, START, TARGET, check_axes, means

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Transfer learning: over-training"
CAPTION = (
    "Loss on valid (lines) and on train (dotted) against epoch, with the most training events; "
    "means over seeds."
)
_GAP = "valid - train"


def source(results: Results) -> "DataFrame":
    """Gather the losses of each epoch of each run and chain.

    Raises:
        NothingToDraw: It is another sweep, or nothing is trained.
    """
    from pandas import DataFrame

    check_axes(results)
    rows: list[dict[str, Any]] = []
    for row in results.rows:
        if "chain" not in row:
            continue
        unit = f"posttrain/{row['chain']}/{row['mode']}"
        about = {name: row[name] for name in ("seed", *KEY)}
        for record in log.records(Path(row["directory"])):
            if record["unit"] == unit and record["valid"]:
                losses = {split: record[split]["total"] for split in ("train", "valid")}
                rows.append(about | {"epoch": record["epoch"]} | losses)
    if not rows:
        raise NothingToDraw("nothing is trained")
    return DataFrame(rows)


def summarise(found: "DataFrame") -> "DataFrame":
    """Lowest loss on valid, its epoch, and how far both are apart at the end; means over seeds."""
    from pandas import DataFrame

    runs = found.groupby([*KEY, "seed"], sort=False)
    ends = [
        dict(zip(KEY, key, strict=False)) | _run(epochs)  # without the seed
        for key, epochs in runs
    ]
    return means(DataFrame(ends), [name for name in ends[0] if name not in KEY])


def _run(epochs: "DataFrame") -> dict[str, float]:
    ordered = epochs.sort_values("epoch")
    best, last = ordered.loc[ordered["valid"].idxmin()], ordered.iloc[-1]
    gap = last["valid"] - last["train"]
    return {"best epoch": best["epoch"], "lowest valid": best["valid"], _GAP: gap}


@figures.register("over_training", title=TITLE, caption=CAPTION, summary=summarise, source=source)
def draw(found: "DataFrame") -> "Figure":
    """Draw a column for each target, a row for each chain."""
    table = found[found[SIZE] == found[SIZE].max()]
    starts = list(dict.fromkeys(table[START]))
    chains, targets = (list(dict.fromkeys(table[name])) for name in (CHAIN, TARGET))
    size = 3.0 * len(targets) + 0.8, 2.4 * len(chains) + 0.5
    figure, axes = new_figure(*size, (1.0,) * len(chains), len(targets))
    for number, ax in enumerate(axes):
        target, chain = targets[number // len(chains)], chains[number % len(chains)]
        shown = table[(table[TARGET] == target) & (table[CHAIN] == chain)]
        for start, rows in shown.groupby(START, sort=False):
            means = rows.groupby("epoch")[["train", "valid"]].mean()
            colour = COLOURS[starts.index(start) % len(COLOURS)]
            ax.plot(means.index, means["valid"], color=colour, label=start)
            ax.plot(means.index, means["train"], color=colour, linestyle=":")
        ax.set_title(f"{target}, {chain}")
        ax.set_ylabel("Loss")
    axes[-1].set_xlabel("Epoch")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure
