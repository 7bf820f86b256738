"""Models of one object that are applied to each object of an event."""

import numpy as np
import pytest
import tensorflow as tf

from msml.errors import RecipeError
from msml.models.build import build
from msml.models.each import Each

EVENTS, OBJECTS, PARTS = 7, 4, 5
SHAPES = [(OBJECTS, PARTS, 3), (2,), (OBJECTS, PARTS), (OBJECTS,)]
MASKS = (False, False, True, True)
DEEPSETS = {"units": 6, "layers": 1, "head_units": 6, "head_layers": 1, "feature": 2}
EACH = Each(OBJECTS, 3)


def inputs(seed=0):
    """Parts of objects, numbers of the event, which parts are real, which objects are."""
    rng = np.random.default_rng(seed)
    real = rng.random((EVENTS, OBJECTS)) < 0.6
    real[0], real[-1] = True, False
    parts = (rng.random((EVENTS, OBJECTS, PARTS)) < 0.6) & real[..., None]
    values = [rng.normal(size=(EVENTS, *shape)) for shape in SHAPES[:2]]
    return [each.astype(np.float32) for each in (*values, parts, real)]


def model(name="deepsets", arguments=DEEPSETS, each=EACH, shapes=SHAPES, masks=MASKS):
    return build(name, shapes, (OBJECTS, 1), arguments, 1, masks=masks, each=each)


def called(model, given):
    """Outputs, and their gradients in the weights and in the inputs that are numbers."""
    tensors = [tf.constant(each) for each in given]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = model(tensors, training=True)
        total = sum(tf.reduce_sum(output**2) for output in outputs.values())
    gradients = tape.gradient(total, [*model.trainable_variables, *tensors[:2]])
    return {k: v.numpy() for k, v in outputs.items()}, [
        np.asarray(tf.convert_to_tensor(g)) for g in gradients
    ]


def test_it_is_a_loop_over_objects_written_by_hand():
    given, events = inputs(), model()
    alone = build(
        "deepsets", [(PARTS, 3), (2,), (PARTS,)], (1,), DEEPSETS, 1, masks=(False, False, True)
    )
    found = events(given)
    assert set(found) == {"output", "feature"}
    assert found["output"].shape == (EVENTS, OBJECTS, 1)
    assert found["feature"].shape == (EVENTS, OBJECTS, 2)
    assert events.count_params() == alone.count_params()
    for event in range(EVENTS):
        for number in range(OBJECTS):
            row = [x[event : event + 1] for x in given]
            one = alone([row[0][:, number], row[1], row[2][:, number]])
            for name, output in found.items():
                expected = one[name][0] if given[3][event, number] else np.zeros(output.shape[2])
                assert np.allclose(output[event, number], expected, atol=1e-6)


@pytest.mark.parametrize("garbage", [1e30, np.nan, np.inf])
def test_padding_changes_nothing_bit_for_bit(garbage):
    given, events = inputs(), model()
    spoilt = [each.copy() for each in given]
    spoilt[0][given[2] == 0] = garbage
    outputs, gradients = called(events, given)
    again, other = called(events, spoilt)
    assert all(np.array_equal(again[name], outputs[name]) for name in outputs)
    assert all(np.array_equal(one, two) for one, two in zip(gradients, other, strict=True))
    assert not gradients[-2][given[2] == 0].any()
    assert gradients[-2][given[2] == 1].any()


def test_objects_and_their_parts_are_in_no_order():
    given, events = inputs(), model()
    order, inner = np.random.default_rng(1).permutation(OBJECTS), [3, 0, 4, 1, 2]
    turned = [given[0][:, order], given[1], given[2][:, order], given[3][:, order]]
    turned[0], turned[2] = turned[0][:, :, inner], turned[2][:, :, inner]
    found, other = events(given), events(turned)
    for name in found:
        assert np.allclose(np.asarray(found[name])[:, order], other[name], atol=1e-6)


def test_where_all_objects_are_real_there_is_no_mask():
    given = inputs()
    given[3][:] = 1
    with_mask = model()(given)
    without = model(each=Each(OBJECTS, None), shapes=SHAPES[:3], masks=MASKS[:3])(given[:3])
    assert np.array_equal(with_mask["output"], without["output"])


def test_no_objects_at_all():
    given = inputs()
    given[3][:] = 0
    outputs, gradients = called(model(), given)
    assert not outputs["output"].any()
    assert not any(gradient.any() for gradient in gradients)


def test_batch_normalisation_sees_real_objects_only():
    arguments = {"units": 4, "layers": 1, "norm": "batch"}
    shapes, given = [(OBJECTS, 3), (OBJECTS,)], [inputs()[0][:, :, 0], inputs()[3]]
    spoilt = [np.where(given[1][..., None] > 0, given[0], 1e6).astype(np.float32), given[1]]
    moved = []
    for each in (given, spoilt):
        events = model("mlp", arguments, Each(OBJECTS, 1), shapes, (False, True))
        events(each, training=True)
        moved.append([variable.numpy() for variable in events.non_trainable_variables])
    assert all(np.array_equal(one, two) for one, two in zip(*moved, strict=True))


def test_a_builder_that_does_not_fit_one_object_says_so():
    with pytest.raises(RecipeError, match=r"must be of objects, \(objects, ...\), not \(\)"):
        model(shapes=[(OBJECTS,), (OBJECTS,)], masks=(False, True), each=Each(OBJECTS, 1))
