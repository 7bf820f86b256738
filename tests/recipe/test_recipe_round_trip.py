import tempfile
from dataclasses import asdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_schema import Cut, Detector, Events, Process

from msml.recipe import load
from msml.recipe.tree import dump

# "???" is OmegaConf's mark of a missing value, so it is not a text that a recipe can hold.
letters = st.characters(exclude_categories=["Cs"])
free_texts = st.text(letters, max_size=12) | st.text("\\${}.:'a\n\x85\u2028\ufeff ", max_size=8)
number_like = st.from_regex(r"[-+]?[0-9]{0,3}[.:]?[0-9]{0,2}([eE][-+]?[0-9]{1,2})?", fullmatch=True)
words = st.sampled_from(
    ["on", "off", "null", "~", "=", "<<", "2020-01-01", "0x1f", "010", "\\${a}"]
)
texts = (free_texts | number_like | words).filter(lambda text: text != "???")
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | floats | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
detectors = st.builds(
    Detector,
    efficiency=floats,
    smear=st.booleans(),
    edges=st.lists(floats, max_size=3),
    cells=st.lists(st.lists(st.integers(), max_size=2), max_size=2),
    label=texts,
)
processes = st.builds(
    Process,
    events=st.integers(),
    weight=floats,
    pythia=st.dictionaries(texts, anything, max_size=3),
)
events = st.builds(
    Events,
    name=texts,
    processes=st.dictionaries(texts, processes, max_size=2),
    seed=st.integers(),
    detector=detectors,
    trigger=st.none() | detectors,
    cuts=st.lists(st.builds(Cut, column=texts, above=st.none() | floats), max_size=2),
    share=floats | texts,
    scales=st.dictionaries(texts, floats, max_size=2),
    groups=st.dictionaries(texts, st.lists(texts, max_size=2), max_size=2),
    extra=anything,
)


@settings(deadline=None, max_examples=60)
@given(events)
def test_a_resolved_recipe_loads_to_the_same_values(values: Events):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "r.yaml")
        path.write_text(dump(asdict(values)), encoding="utf-8")
        first = load(path, Events)
        assert repr(first.values) == repr(values)
        path.write_text(first.resolved(), encoding="utf-8")
        second = load(path, Events)
        assert repr(second.values) == repr(first.values)
        assert second.resolved() == first.resolved()
