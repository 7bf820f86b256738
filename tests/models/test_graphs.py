"""Graph networks: counts of the study, GATv2 against loops, other numbers of objects, pairs."""

import numpy as np
import pytest
import tensorflow as tf

from msml.data.kinematics import delta_r, pt_eta_phi_m, px_py_pz_e
from msml.errors import RecipeError
from msml.models.attention import SLOPE, pair_scores
from msml.models.build import build
from msml.models.pairs import PairFeatures
from msml.training.environment import tensorflow

tensorflow()

STUDY = {"units": 256, "layers": 6}
SMALL = {"units": 8, "layers": 2}
HEADS = {"graph_network": {}, "graph_attention": {"heads": 2}}
COUNTS = {
    5: [(68_096, 68_736), (267_264, 268_544), (1_058_816, 1_061_376), (4_214_784, 4_219_904)],
    6: [(84_736, 85_504), (333_312, 334_848), (1_321_984, 1_325_056), (5_265_408, 5_271_552)],
    7: [(101_376, 102_272), (399_360, 401_152), (1_585_152, 1_588_736), (6_316_032, 6_323_200)],
    8: [(118_016, 119_040), (465_408, 467_456), (1_848_320, 1_852_416), (7_366_656, 7_374_848)],
}
MASKED = (False, True)


def make(name, objects=6, masked=False, output=(2,), **arguments):
    shapes = [(objects, 5), (objects,)][: 1 + masked]
    masks = MASKED if masked else ()
    return build(name, shapes, output, SMALL | HEADS[name] | arguments, 1, masks=masks)


def events(objects=6, count=7, seed=0):
    return np.random.default_rng(seed).normal(size=(count, objects, 5)).astype("float32")


def moved(model, seed=3):
    """Give a model weights that are not those of before training, in its statistics too."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        values = variable.numpy()
        noise = rng.normal(0, 0.3, values.shape)
        variable.assign(np.abs(values + noise) if "variance" in variable.path else values + noise)
    return model


BOTH = pytest.mark.parametrize("name", HEADS)


@pytest.mark.parametrize("layers", COUNTS)
@pytest.mark.parametrize(("column", "units"), [*enumerate((128, 256, 512, 1024))])
def test_counts_of_the_grid(layers, column, units):
    for name, count in zip(HEADS, COUNTS[layers][column], strict=True):
        model = make(name, units=units, layers=layers)
        head = {"numbers/kernel", "numbers/bias"}
        sizes = {
            "/".join(v.path.split("/")[-2:]): int(np.prod(v.shape))
            for v in model.trainable_variables
        }
        assert sum(size for path, size in sizes.items() if path not in head) == count
        assert sum(sizes[path] for path in head) == 2 * units + 2
        statistics = sum(int(np.prod(v.shape)) for v in model.non_trainable_variables)
        assert statistics == 2 * layers * units


def test_the_study_and_its_heads():
    sizes = {name: make(name, **STUDY).count_params() for name in HEADS}
    assert sizes == {"graph_network": 336_898, "graph_attention": 338_434}
    assert {make("graph_attention", heads=h).count_params() for h in (1, 2, 4, 8)} == {
        make("graph_attention").count_params()
    }


def by_hand(model, values, heads, slope=SLOPE):
    """The same events through loops over objects, and the attention `(layers, heads, N, N)`."""
    weights = {"/".join(v.path.split("/")[-2:]): v.numpy() for v in model.weights}
    found, maps = [], []
    for event in values:
        h, of_event = event.astype(float), []
        for layer in range(2):
            name = f"graph_{layer}"
            wh = h @ weights[f"{name}/kernel"]
            own = h @ weights[f"{name}_own/kernel"] if f"{name}_own/kernel" in weights else h
            n, seen = len(h), np.zeros_like(wh)
            shares = np.full((heads or 1, n, n), 1 / n)
            for head in range(heads):
                part = slice(head * 8 // heads, (head + 1) * 8 // heads)
                a = weights[f"{name}_attention/score"][head]
                for i in range(n):
                    x = wh[i, part] + wh[:, part]
                    score = np.where(x > 0, x, slope * x) @ a
                    share = np.exp(score - score.max())
                    shares[head, :, i] = share / share.sum()
            for i in range(n):
                for j in range(n):
                    each = np.repeat(shares[:, j, i], 8 // (heads or 1))
                    seen[i] += each * wh[j]
            mean, variance = (weights[f"{name}_norm/moving_{k}"] for k in ("mean", "variance"))
            x = (seen + own - mean) / np.sqrt(variance + 1e-5)
            x = x * weights[f"{name}_norm/gamma"] + weights[f"{name}_norm/beta"]
            h = np.maximum(x, 0)
            of_event.append(shares)
        found.append(h.mean(axis=0) @ weights["numbers/kernel"] + weights["numbers/bias"])
        maps.append(of_event)
    return np.array(found), np.array(maps)


def test_the_graph_network_against_a_loop():
    model = moved(make("graph_network"))
    assert np.asarray(model(events())) == pytest.approx(by_hand(model, events(), 0)[0], abs=1e-4)


@pytest.mark.parametrize("objects", [2, 5, 6])
def test_attention_against_a_loop(objects):
    model = moved(make("graph_attention", objects, attention=True))
    found, (expected, maps) = model(events(objects)), by_hand(model, events(objects), 2)
    assert np.asarray(found["output"]) == pytest.approx(expected, abs=1e-4)
    assert np.asarray(found["attention"]) == pytest.approx(maps, abs=1e-5)


@BOTH
def test_any_number_of_objects_with_the_same_weights(name):
    """A set in longer and longer lists, and what 5, 6 and 8 objects give by themselves."""
    whole = moved(make(name, 8, masked=True))
    for objects in (5, 6, 8):
        alone = make(name, objects)
        alone.set_weights(whole.get_weights())  # files have them by their position
        values = events(objects)
        padded = np.pad(values, ((0, 0), (0, 8 - objects), (0, 0)), constant_values=9.0)
        real = np.tile(np.arange(8) < objects, (7, 1)).astype("float32")
        expected = np.asarray(alone(values))
        assert np.asarray(whole([padded, real])) == pytest.approx(expected, abs=1e-5)


@BOTH
@pytest.mark.parametrize("pooling", ["mean", "sum", "max"])
def test_the_pooling_is_over_real_objects(name, pooling):
    """Against the same weights for each event's real objects alone; an event of none has 0."""
    model = moved(make(name, 4, masked=True, pooling=pooling))
    values, count = events(4), np.array([0, 1, 2, 3, 4, 4, 2])
    found = np.asarray(model([values, (np.arange(4) < count[:, None]).astype("float32")]))
    assert found[0] == pytest.approx(model.get_layer("numbers").bias.numpy(), abs=1e-6)
    for event in range(1, 7):
        alone = make(name, int(count[event]), pooling=pooling)
        alone.set_weights(model.get_weights())
        expected = np.asarray(alone(values[event : event + 1, : count[event]]))
        assert found[event] == pytest.approx(expected[0], abs=1e-4)


@BOTH
@pytest.mark.parametrize("masked", [False, True])
def test_training_does_not_see_the_order_of_objects(name, masked):
    """Nor do the statistics that the batches leave."""
    order = np.random.default_rng(1).permutation(6)
    values, real = events(), (np.random.default_rng(2).random((7, 6)) < 0.7).astype("float32")
    results = []
    for turn in (np.arange(6), order):
        model = make(name, masked=masked)
        given = [values[:, turn], real[:, turn]] if masked else values[:, turn]
        found = np.asarray(model(given, training=True))
        results.append([found, *(v.numpy() for v in model.non_trainable_variables)])
    for one, other in zip(*results, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_attention_sums_to_one_over_sources_and_passes_over_padding():
    model = moved(make("graph_attention", masked=True, attention=True, layers=3))
    real = np.arange(6) < np.array([0, 1, 2, 3, 4, 5, 6])[:, None]
    maps = np.asarray(model([events(), real.astype("float32")])["attention"])
    assert maps.shape == (7, 3, 2, 6, 6)
    assert maps.dtype == np.float32
    wanted = np.broadcast_to(real[:, None, None], maps.shape[:-1])
    assert maps.sum(axis=-2) == pytest.approx(wanted.astype(float), abs=1e-6)
    pairs = real[:, :, None] & real[:, None]
    assert not maps[np.broadcast_to(~pairs[:, None, None], maps.shape)].any()
    assert (maps[np.broadcast_to(pairs[:, None, None], maps.shape)] > 0).all()


def naive(u, matrix):
    pairs = tf.nn.leaky_relu(u[:, None] + u[None, :], SLOPE)
    return tf.einsum("ijbu,uh->ijbh", pairs, matrix)


@pytest.mark.parametrize("objects", [1, 2, 5, 8])
def test_derivatives_of_the_scores(objects):
    """First and second, those that reach the weights through a softmax."""
    rng = np.random.default_rng(objects)
    u, matrix, factor = (
        tf.constant(rng.normal(size=shape), tf.float32)
        for shape in ((objects, 7, 6), (6, 2), (objects, objects, 7, 2))
    )

    def slopes(function):
        with tf.GradientTape() as outer:
            outer.watch([u, matrix])
            with tf.GradientTape() as inner:
                inner.watch([u, matrix])
                shares = tf.nn.softmax(function(u, matrix), axis=1)
                loss = tf.reduce_sum(factor * shares)
            first = inner.gradient(loss, [u, matrix])
            size = sum(tf.reduce_sum(each**2) for each in first)
        return [loss, *first, *outer.gradient(size, [u, matrix])]

    for found, expected in zip(slopes(pair_scores), slopes(naive), strict=True):
        assert np.asarray(found) == pytest.approx(np.asarray(expected), abs=2e-4)


def test_there_is_no_tensor_of_all_pairs():
    """Neither forward nor backward: none has as many numbers as pairs of objects have."""
    events_, objects, units, heads = 3, 10, 64, 2

    @tf.function
    def slopes(u, matrix):
        with tf.GradientTape() as tape:
            tape.watch([u, matrix])
            loss = tf.reduce_sum(pair_scores(u, matrix) ** 2)
        return tape.gradient(loss, [u, matrix])

    shapes = [tf.TensorSpec((objects, events_, units)), tf.TensorSpec((units, heads))]
    outputs = [x for op in slopes.get_concrete_function(*shapes).graph.get_operations()
               for x in op.outputs]  # fmt: skip
    largest = max(x.shape.num_elements() or 0 for x in outputs)
    assert objects * events_ * units <= largest < objects * (objects + 1) // 2 * events_ * units


def momenta(count=20, objects=4, seed=5):
    rng = np.random.default_rng(seed)
    low, high = (20, -2, -np.pi, 0), (200, 2, np.pi, 30)
    return rng.uniform(low, high, (count, objects, 4))


def features(values, components=("pt", "eta", "phi", "m"), real=None):
    layer = PairFeatures(components, dtype="float32")
    return np.asarray(layer(values.astype("float32"), real))


def test_pairwise_features_by_hand():
    """Of a pair at φ = ±3, whose distance goes the short way round."""
    pair = np.array([[[50.0, 0.5, 3.0, 10.0], [20.0, -0.3, -3.0, 0.0]]])
    found = features(pair)
    distance = np.hypot(0.8, 2 * np.pi - 6)
    total = px_py_pz_e(pair[0]).sum(axis=0)
    square = total[3] ** 2 - (total[:3] ** 2).sum()
    expected = np.log([distance, 20 * distance, 20 / 70, square])
    assert found[0, 0, 1] == pytest.approx(expected, rel=1e-5)
    assert np.array_equal(found[0, 0, 1], found[0, 1, 0])
    assert not found[0, [0, 1], [0, 1]].any()


def test_pairwise_features_of_any_form_of_momenta():
    values = momenta()
    expected = features(values)
    vectors = px_py_pz_e(values)
    assert features(vectors, ("px", "py", "pz", "E")) == pytest.approx(expected, abs=2e-3)
    logs = np.concatenate([np.log(0.1 + values[..., :1]), values[..., 1:]], axis=-1)
    assert features(logs, ("log_pt", "eta", "phi", "m")) == pytest.approx(expected, abs=1e-4)
    massless = features(values * [1, 1, 1, 0])
    assert features(vectors[..., :3], ("px", "py", "pz")) == pytest.approx(massless, abs=1e-3)
    more = np.concatenate([np.full((20, 4, 1), 3.0), values], axis=-1)
    assert np.array_equal(features(more, ("type", "pt", "eta", "phi", "m")), expected)
    eta, phi = values[..., 1], values[..., 2]
    distance = delta_r(eta[:, 0], phi[:, 0], eta[:, 2], phi[:, 2])
    assert np.exp(expected[:, 0, 2, 0]) == pytest.approx(distance, rel=1e-4)


def test_pairwise_features_do_not_see_the_frame():
    """Rotations around the beam and mirrors; the mass not even boosts along it."""
    values = momenta()
    expected = features(values)
    assert features(values + np.array([0, 0, 1.3, 0])) == pytest.approx(expected, abs=1e-4)
    assert features(values * np.array([1, -1, 1, 1])) == pytest.approx(expected, abs=1e-5)
    vectors = px_py_pz_e(values)
    gamma, speed = 1 / np.sqrt(1 - 0.6**2), 0.6
    z, energy = vectors[..., 2].copy(), vectors[..., 3].copy()
    vectors[..., 2], vectors[..., 3] = gamma * (z - speed * energy), gamma * (energy - speed * z)
    boosted = features(pt_eta_phi_m(vectors))
    assert boosted[..., 3] == pytest.approx(expected[..., 3], abs=1e-3)
    order = [2, 0, 3, 1]
    assert np.array_equal(features(values[:, order]), expected[:, order][:, :, order])


@pytest.mark.parametrize("form", ["pt eta phi m", "px py pz E", "log_pt eta phi"])
def test_pairwise_features_of_nothing_are_finite_with_their_derivative(form):
    """Of momenta of 0 and of equal ones."""
    components = form.split()
    values = tf.constant(np.zeros((2, 3, len(components))), tf.float32)
    values = tf.concat([values, tf.ones_like(values)], axis=0)
    with tf.GradientTape() as tape:
        tape.watch(values)
        found = PairFeatures(components, dtype="float32")(values)
        loss = tf.reduce_sum(found**2)
    assert np.isfinite(found).all()
    assert np.isfinite(tape.gradient(loss, values)).all()


PAIRWISE = {"pairwise": {"1": ["pt", "eta", "phi", "m"]}}


def with_momenta(**arguments):
    shapes, masks = [(4, 5), (4, 4), (4,)], (False, False, True)
    given = SMALL | {"heads": 2, "attention": True} | PAIRWISE | arguments
    return build("graph_attention", shapes, (1,), given, 1, masks=masks)


def test_pairs_count_in_the_attention_and_nowhere_else():
    model, values = with_momenta(), events(4, 20)
    vectors, real = momenta().astype("f"), np.ones((20, 4), "f")
    plain = build("graph_attention", [(4, 5)], (1,), SMALL | {"heads": 2, "attention": True}, 1)
    of_pairs = 4 * 16 + 16 + 16 * 2
    assert model.count_params() == plain.count_params() + of_pairs
    before = model([values, vectors, real])
    others = {
        id(v) for name in ("pair_hidden", "pair_scores") for v in model.get_layer(name).weights
    }
    plain.set_weights([w.numpy() for w in model.weights if id(w) not in others])
    expected = plain(values)
    for name in ("output", "attention"):  # nothing is added before training
        assert np.allclose(before[name], expected[name], atol=1e-6)
    model.get_layer("pair_scores").kernel.assign(np.random.default_rng(1).normal(size=(16, 2)))
    after = model([values, vectors, real])
    assert not np.allclose(after["attention"], before["attention"], atol=1e-2)
    assert np.asarray(after["attention"]).sum(axis=-2) == pytest.approx(1, abs=1e-6)
    turned = model([values, vectors + np.array([0, 0, 1, 0], "f"), real])
    assert np.allclose(turned["output"], after["output"], atol=1e-4)


def test_padding_has_no_pairs():
    model, values = with_momenta(), events(4, 20)
    model.get_layer("pair_scores").kernel.assign(np.random.default_rng(1).normal(size=(16, 2)))
    real = np.tile([1, 1, 1, 0], (20, 1)).astype("f")
    found = []
    for garbage in (0.0, 1e30, np.nan, np.inf):
        spoiled = [np.where(real[..., None], x, garbage).astype("f") for x in (values, momenta())]
        inputs = [tf.constant(x) for x in (*spoiled, real)]
        with tf.GradientTape() as tape:
            outputs = model(inputs)
            loss = tf.reduce_sum(outputs["output"] ** 2)
        slopes = tape.gradient(loss, model.trainable_variables)
        found.append([np.asarray(x).tobytes() for x in (*outputs.values(), *slopes)])
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize(
    ("pairwise", "problem"),
    [
        ({"3": ["pt", "eta", "phi"]}, "expected the number of one input, from 0 to 2, got 3"),
        ({"0": ["pt"], "1": ["pt"]}, "expected the number of one input, from 0 to 2, got several"),
        ({"1": ["pt", "eta", "phi"]}, "a name for each component of (4 objects, components), got"),
        ({"2": ["pt", "eta", "phi"]}, "a name for each component of (4 objects, components), got"),
        ({"1": ["pt", "eta", "x", "m"]}, "expected components pt, eta, phi; log_pt, eta, phi; px"),
        ({"1": 3}, "pairwise: expected a mapping of numbers to lists of texts"),
    ],
)
def test_momenta_that_do_not_fit(pairwise, problem):
    with pytest.raises(RecipeError) as caught:
        with_momenta(pairwise=pairwise)
    assert problem in caught.value.problems[0]
