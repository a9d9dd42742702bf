"""Priors: exact values, both edges of the cube, and each misuse."""

import copy
import operator
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest
from scipy import stats

from nautilus.errors import PriorError, PriorTypeError
from nautilus.prior import DictionaryMap, FunctionPrior, Prior, as_prior_map


class QuantileOnly:
    """A standard exponential distribution written by hand."""

    def ppf(self, u):
        return -np.log1p(-u)


class TailOnly:
    def isf(self, q):
        return -np.log(q)


class BothNewNames:
    def icdf(self, u):
        return -np.log1p(-u)

    def iccdf(self, q):
        return -np.log(q)


def one(dist, **keywords):
    prior = Prior()
    prior.add_parameter("a", dist=dist, **keywords)
    return prior


@pytest.fixture
def mixed():
    """Return a prior with each kind of parameter."""
    prior = Prior()
    prior.add_parameter("a", dist=(-5, 5))
    prior.add_parameter("fixed", dist=3)
    prior.add_parameter("b", dist=stats.norm(loc=1, scale=2))
    prior.add_parameter("same", dist="b")
    prior.add_parameter("phase", dist=(0, 2 * np.pi), periodic=True)
    prior.add_parameter("again", dist="same")
    return prior


# Reading a prior


def test_keys_and_dists_are_readable_in_order(mixed):
    assert mixed.keys == ["a", "fixed", "b", "same", "phase", "again"]
    assert mixed.free_keys == ["a", "b", "phase"]
    assert mixed.names == ("a", "b", "phase")
    assert mixed.dimensionality() == mixed.n_dim == 3
    assert mixed.periodic == (2,)
    assert mixed.dists[1] == 3
    assert mixed.dists[3] == "b"
    assert mixed.dists[2].logpdf(1.0) == stats.norm.logpdf(0) - np.log(2)
    assert mixed.dists[mixed.keys.index("a")].logpdf(0.0) == pytest.approx(-np.log(10))


CHANGES = {
    "append": lambda names: names.append("z"),
    "extend": lambda names: names.extend(["z"]),
    "insert": lambda names: names.insert(0, "z"),
    "pop": lambda names: names.pop(),
    "remove": lambda names: names.remove(names[0]),
    "clear": lambda names: names.clear(),
    "sort": lambda names: names.sort(),
    "reverse": lambda names: names.reverse(),
    "set": lambda names: operator.setitem(names, 0, "z"),
    "delete": lambda names: operator.delitem(names, 0),
    "add": lambda names: operator.iadd(names, ["z"]),
    "repeat": lambda names: operator.imul(names, 2),
}


@pytest.mark.parametrize("name", ["keys", "dists", "free_keys"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_read_of_a_prior_cannot_be_changed(mixed, name, change):
    before = mixed.describe(), len(getattr(mixed, name))
    with pytest.raises(PriorError, match=r"cannot be changed in place.*add_parameter\(key, dist\)"):
        change(getattr(mixed, name))
    assert (mixed.describe(), len(getattr(mixed, name))) == before


def test_copies_of_what_is_read_of_a_prior_are_lists_like_any_other(mixed):
    for own in (list(mixed.keys), mixed.keys[:], copy.deepcopy(mixed.keys)):
        own.append("z")
        assert own == [*mixed.keys, "z"]


@pytest.mark.parametrize(
    "wrong", [{"key": 1}, {"key": ("a",)}, {"dist": object()}, {"dist": True}, {"periodic": "yes"}]
)
def test_a_wrong_type_is_a_type_error_too(wrong):
    with pytest.raises(PriorTypeError, match="ive ") as caught:
        Prior().add_parameter(**wrong)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, PriorError)


def test_parameters_without_key_are_numbered_by_position():
    prior = Prior()
    prior.add_parameter()
    prior.add_parameter("named")
    prior.add_parameter()
    assert prior.keys == ["x_0", "named", "x_2"]


def test_a_prior_prints_its_parameters(mixed):
    lines = repr(mixed).splitlines()
    assert lines[0] == f"Prior with {mixed.n_dim} free parameters"
    assert [line.split()[0] for line in lines[1:]] == mixed.keys
    assert any(
        line.split() == ["phase", "uniform", "from", "0.0", "to", "6.283185307179586,", "periodic"]
        for line in lines
    )
    html = mixed._repr_html_()
    assert "<th>phase</th><td>uniform from 0.0 to 6.283185307179586, periodic</td>" in html
    single = Prior()
    single.add_parameter("<b>", dist=(0, 1))
    assert repr(single).startswith("Prior with 1 free parameter\n")
    assert "<th>&lt;b&gt;</th>" in single._repr_html_()


def test_a_prior_knows_where_its_parameters_end(mixed):
    prior = Prior()
    prior.add_parameter("a", dist=(1, 3))
    prior.add_parameter("fixed", dist=2)
    prior.add_parameter("b", dist=stats.expon())
    prior.add_parameter("c", dist=stats.norm())
    np.testing.assert_array_equal(prior.support, [[1, 3], [0, np.inf], [-np.inf, np.inf]])


# Values


def test_many_points_and_one_point_agree(mixed):
    points = np.array([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5], [0.9, 0.8, 0.7]])
    many = mixed.unit_to_physical(points)
    assert many.shape == (3, 3)
    for point, expected in zip(points, many, strict=True):
        np.testing.assert_array_equal(mixed.unit_to_physical(point), expected)
    np.testing.assert_allclose(many[0], [-4, stats.norm(1, 2).ppf(0.2), 0.6 * np.pi], rtol=1e-14)
    np.testing.assert_array_equal(mixed.to_physical(points), many)


def test_dictionaries_hold_fixed_and_tied_parameters(mixed):
    many = mixed.unit_to_dictionary(np.full((4, 3), 0.5))
    assert list(many) == mixed.keys
    assert {value.shape for value in many.values()} == {(4,)}
    np.testing.assert_array_equal(many["fixed"], 3.0)
    np.testing.assert_array_equal(many["again"], many["b"])
    single = mixed.unit_to_dictionary([0.5, 0.5, 0.5])
    assert all(isinstance(value, float) for value in single.values())
    assert single == {
        "a": 0.0, "fixed": 3.0, "b": 1.0, "same": 1.0, "phase": np.pi, "again": 1.0
    }  # fmt: skip


def test_dictionary_values_do_not_share_memory(mixed):
    physical = np.ones((2, 3))
    values = mixed.physical_to_dictionary(physical)
    values["b"][:] = 7
    assert (physical == 1).all()
    assert (values["same"] == 1).all()


def test_a_parameter_tied_to_a_fixed_one_has_its_value():
    prior = Prior()
    prior.add_parameter("a")
    prior.add_parameter("b", dist=2.5)
    prior.add_parameter("c", dist="b")
    assert prior.unit_to_dictionary([0.25]) == {"a": 0.25, "b": 2.5, "c": 2.5}


def test_the_points_given_are_not_changed(mixed):
    points = np.full((2, 3), 0.25)
    mixed.unit_to_dictionary(points)
    assert (points == 0.25).all()


def test_no_points_give_no_parameters(mixed):
    assert mixed.unit_to_physical(np.empty((0, 3))).shape == (0, 3)
    assert mixed.unit_to_dictionary(np.empty((0, 3)))["fixed"].shape == (0,)


def test_one_dimension():
    np.testing.assert_array_equal(
        one((2, 4)).unit_to_physical([[0.0], [0.5], [1.0]]), [[2], [3], [4]]
    )


@pytest.mark.parametrize("kind", [np.float32, np.int64, int])
def test_any_real_number_fixes_a_parameter(kind):
    assert one(kind(2)).dists == [2.0]


@pytest.mark.parametrize("bounds", [(1, 3), [1, 3], np.array([1.0, 3.0])])
def test_any_pair_gives_bounds(bounds):
    assert one(bounds).unit_to_physical([0.5]) == [2.0]


# Edges of the cube


@pytest.mark.parametrize("bounds", [(0, 1), (-1, 0), (0.1, 0.3), (-1e300, 1e-300), (1, 1 + 1e-15)])
def test_uniform_reaches_its_bounds_and_never_leaves_them(bounds, seed):
    prior = one(bounds)
    np.testing.assert_array_equal(prior.unit_to_physical([[0.0], [1.0]])[:, 0], bounds)
    points = np.random.default_rng(seed).random((10_000, 1))
    physical = prior.unit_to_physical(np.vstack([points, np.nextafter(1, 0), 5e-324]))
    assert physical.min() >= bounds[0]
    assert physical.max() <= bounds[1]


def test_the_default_uniform_is_the_identity(seed):
    points = np.random.default_rng(seed).random((1000, 1))
    np.testing.assert_array_equal(one((0, 1)).unit_to_physical(points), points)


def test_a_bound_at_zero_is_approached_without_cancellation():
    tail = np.nextafter(1, 0)
    assert one((-3, 0)).unit_to_physical([tail]) == -3 * (1 - tail)
    assert one((0, 3)).unit_to_physical([1e-300]) == 3e-300


@pytest.mark.parametrize(
    ("dist", "low", "high"),
    [
        (stats.norm(), stats.norm.ppf(1e-30), -stats.norm.ppf(2.0**-50)),
        (stats.expon(), 1e-30, 50 * np.log(2)),
        (stats.loguniform(1e-10, 1e10), 1e-10, 1e10),
        (stats.Normal(mu=0.0, sigma=1.0), stats.norm.ppf(1e-30), -stats.norm.ppf(2.0**-50)),
        (BothNewNames(), 1e-30, 50 * np.log(2)),
    ],
)
def test_both_tails_keep_their_digits(dist, low, high):
    physical = one(dist).unit_to_physical([[1e-30], [1 - 2.0**-50]])[:, 0]
    np.testing.assert_allclose(physical, [low, high], rtol=1e-12)


@pytest.mark.parametrize(
    "dist",
    [
        stats.norm(), stats.t(2.5), stats.cauchy(), stats.gamma(0.3), stats.beta(0.1, 0.2),
        stats.lognorm(2), stats.levy(), stats.vonmises(2.0), stats.skewnorm(3), stats.pareto(0.5),
        stats.poisson(3), stats.geom(0.1), stats.nbinom(3, 0.4), stats.dlaplace(0.5),
    ],
)  # fmt: skip
def test_closed_ends_of_the_cube_give_finite_values_inside_the_support(dist):
    prior = one(dist)
    physical = prior.unit_to_physical([[0.0], [1e-30], [0.5], [np.nextafter(1, 0)], [1.0]])[:, 0]
    assert np.isfinite(physical).all()
    assert (np.diff(physical) >= 0).all()
    low, high = dist.support()
    assert low <= physical[0]
    assert physical[-1] <= high


def test_values_stay_inside_the_support_in_spite_of_rounding():
    dist = stats.loguniform(1e-5, 1)
    assert dist.ppf(1e-17) < 1e-5
    assert one(dist).unit_to_physical([1e-17]) == 1e-5


@pytest.mark.parametrize("dist", [QuantileOnly(), TailOnly()])
def test_one_side_is_enough(dist):
    points = np.array([[0.0], [0.2], [0.5], [0.9], [1.0]])
    physical = one(dist).unit_to_physical(points)
    np.testing.assert_allclose(physical[1:-1], stats.expon.ppf(points[1:-1]), rtol=1e-14)
    assert physical[0] == pytest.approx(0, abs=1e-15)
    assert physical[-1] == pytest.approx(53 * np.log(2))


@pytest.mark.parametrize("dist", [stats.randint(1, 7), stats.binom(5, 0.3), stats.poisson(2.5)])
def test_discrete_parameters_have_their_probabilities(dist):
    points = (np.arange(100_000)[:, np.newaxis] + 0.5) / 100_000
    values, counts = np.unique(one(dist).unit_to_physical(points), return_counts=True)
    np.testing.assert_allclose(counts / 100_000, dist.pmf(values), atol=1.1e-5)


# Descriptions


def test_a_description_is_the_same_in_another_process(mixed):
    histogram = stats.rv_histogram(np.histogram([1, 2, 4]), density=True)()
    priors = [mixed, one(QuantileOnly()), one(histogram)]
    script = (
        "import sys, cloudpickle; priors = cloudpickle.load(sys.stdin.buffer); "
        "sys.stdout.write(repr([prior.describe() for prior in priors]))"
    )
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=cloudpickle.dumps(priors),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == repr([prior.describe() for prior in priors])


def test_a_description_tells_priors_apart():
    dists = [
        1, 2, (0, 1), (0, np.nextafter(1, 2)), stats.norm(0, 2), stats.norm(0, 2.000001),
        stats.cauchy(), stats.norm(1e-8, 2), stats.poisson(3), stats.norm(0, 2e-30),
        stats.randint(0, 1), stats.randint(0, 1, loc=1),
    ]  # fmt: skip
    texts = {one(dist).describe() for dist in dists}
    assert len(texts) == len(dists)
    assert one((0, 1)).describe() != one((0, 1), periodic=True).describe()


def test_the_same_distribution_written_in_two_ways_has_one_description():
    assert one(stats.norm(1, 2)).describe() == one(stats.norm(scale=2.0, loc=1.0)).describe()
    assert one((0, 1)).describe() == one([0.0, 1.0]).describe()


def test_a_pickled_prior_gives_the_same_values(mixed):
    points = np.full((2, 3), 0.3)
    restored = cloudpickle.loads(cloudpickle.dumps(mixed))
    np.testing.assert_array_equal(restored.unit_to_physical(points), mixed.unit_to_physical(points))
    assert restored.describe() == mixed.describe()


# Misuse


class Ramp(stats.rv_continuous):
    """A distribution of the user's own, with density 2 x on the unit interval."""

    def _pdf(self, x):
        return 2 * x

    def _ppf(self, q):
        return np.sqrt(q)


@pytest.mark.parametrize(
    ("dist", "median"),
    [
        (stats.norm, 0.0),
        (stats.rv_histogram((np.array([1.0, 3.0]), np.array([0.0, 1.0, 2.0]))), 4 / 3),
        (stats.rv_discrete(values=([2, 5, 9], [0.3, 0.4, 0.3])), 5.0),
        (Ramp(a=0.0, b=1.0), np.sqrt(0.5)),
    ],
    ids=["norm", "histogram", "values", "own"],
)
def test_distributions_without_shapes_need_not_be_frozen(dist, median):
    prior = Prior()
    prior.add_parameter("a", dist=dist)
    assert prior.unit_to_physical([0.5]) == pytest.approx(median)


@pytest.mark.parametrize(
    ("dist", "message"),
    [
        ("a", "tied to itself"),
        ("nobody", r"'nobody', which does not exist. Existing keys: \['first'\]"),
        ((1, 0), "first must be below the second"),
        ((1, 1), "one number for a fixed parameter"),
        ((0, np.inf), "must be finite"),
        ((np.nan, 1), "must be finite"),
        ((-1.7e308, 1.7e308), "must be finite"),
        ((0, 1, 2), r"give two numbers \(low, high\)"),
        ((0,), r"give two numbers \(low, high\)"),
        (("low", "high"), r"give two numbers \(low, high\)"),
        (np.nan, "give a finite number"),
        (-np.inf, "give a finite number"),
        (None, "is not a distribution"),
        (True, "is not a distribution"),
        (1j, "is not a distribution"),
        (stats.gaussian_kde([1.0, 2.0, 4.0]), "is not a distribution"),
        (stats.gamma, r"family 'gamma'.*Call it with its parameters, such as gamma\(...\)"),
        (stats.poisson, "family 'poisson'"),
        (QuantileOnly, "family 'QuantileOnly'"),
        (stats.norm([0, 1]), r"gives shape \(2,\) for probabilities of shape \(\)"),
        (stats.norm([0, 1, 2, 3, 4]), "add one for each component"),
        (stats.norm(0, -1), "finite numbers expected"),
        (stats.uniform(0, np.inf), "finite numbers expected"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_dist_without_meaning_is_an_error(dist, message):
    prior = Prior()
    prior.add_parameter("first")
    with pytest.raises(PriorError, match=message):
        prior.add_parameter("a", dist=dist)
    assert prior.keys == ["first"]


class Scalar:
    def ppf(self, u):
        return float(u) + (1 if u > 0.5 else 0)


class Falling:
    def ppf(self, u):
        return -u


class RisingTail:
    def isf(self, q):
        return q


@pytest.mark.parametrize(
    ("dist", "message"),
    [
        (Scalar(), "'ppf' of its distribution failed for probabilities"),
        (Falling(), "rising numbers expected"),
        (RisingTail(), "falling numbers expected"),
    ],
)
def test_a_hand_written_distribution_is_tried_at_the_door(dist, message):
    with pytest.raises(PriorError, match=message):
        one(dist)


@pytest.mark.parametrize("dist", [2.0, "first"])
def test_only_free_parameters_can_be_periodic(dist):
    prior = Prior()
    prior.add_parameter("first")
    with pytest.raises(PriorError, match="cannot be periodic"):
        prior.add_parameter("a", dist=dist, periodic=True)


def test_periodic_is_true_or_false():
    with pytest.raises(PriorError, match=r"periodic=\[2\]; give True or False"):
        one((0, 1), periodic=[2])


def test_a_key_is_given_once():
    prior = one((0, 1))
    with pytest.raises(PriorError, match="'a' exists already"):
        prior.add_parameter("a")


@pytest.mark.parametrize("key", [1, "", ("a",)])
def test_a_key_is_a_name(key):
    with pytest.raises(PriorError, match="give a string that is not empty"):
        Prior().add_parameter(key)


@pytest.mark.parametrize("points", [0.5, [0.5], [[0.5, 0.5]], np.zeros((3, 4)), []])
def test_points_have_one_column_for_each_free_parameter(mixed, points):
    with pytest.raises(PriorError, match=r"so give \(3,\) or \(n, 3\)"):
        mixed.unit_to_physical(points)
    with pytest.raises(PriorError, match=r"so give \(3,\) or \(n, 3\)"):
        mixed.physical_to_dictionary(points)


@pytest.mark.parametrize("value", [-1e-300, 1 + 1e-15, np.nan, np.inf])
def test_points_lie_in_the_cube(mixed, value):
    with pytest.raises(PriorError, match="for parameter 'b'; values in the unit cube lie between"):
        mixed.unit_to_physical([[0.5, 0.5, 0.5], [0.5, value, 0.5]])


def test_points_are_numbers(mixed):
    with pytest.raises(PriorError, match="must be an array of numbers"):
        mixed.unit_to_physical(["a", "b", "c"])


def test_a_prior_without_free_parameter_maps_nothing():
    assert Prior().dimensionality() == 0
    for prior in (Prior(), one(3)):
        with pytest.raises(PriorError, match="none of them is free"):
            prior.unit_to_physical([])
        with pytest.raises(PriorError, match="no free parameter"):
            as_prior_map(prior)


# Functions as priors


def triangle(u):
    """Second parameter uniform below the first."""
    theta = np.copy(u)
    theta[..., -1] *= theta[..., 0]
    return theta


def scaled(low, u, width=1.0):
    u *= width
    u += low
    return u


def named(u):
    return {"a": 2 * u[..., 0], "b": u[..., 0] * u[..., 1]}


POINTS = np.array([[0.5, 0.5], [0.25, 0.5], [1.0, 0.75]])


@pytest.mark.parametrize("is_vectorized", [False, True])
def test_a_function_returns_an_array(is_vectorized):
    prior = FunctionPrior(triangle, 2, is_vectorized=is_vectorized)
    np.testing.assert_array_equal(
        prior.to_physical(POINTS), [[0.5, 0.25], [0.25, 0.125], [1, 0.75]]
    )
    np.testing.assert_array_equal(prior.to_physical(POINTS[0]), [0.5, 0.25])
    assert prior.names is None
    assert prior.periodic == ()


@pytest.mark.parametrize("is_vectorized", [False, True])
def test_a_function_returns_a_dictionary(is_vectorized):
    prior = FunctionPrior(named, 2, is_vectorized=is_vectorized)
    many = prior.to_physical(POINTS)
    np.testing.assert_array_equal(many["a"], [1.0, 0.5, 2.0])
    np.testing.assert_array_equal(many["b"], [0.25, 0.125, 0.75])
    assert prior.to_physical(POINTS[0]) == {"a": 1.0, "b": 0.25}


@pytest.mark.parametrize("is_vectorized", [False, True])
def test_a_function_may_write_into_its_own_copy(is_vectorized):
    points = POINTS.copy()
    prior = FunctionPrior(scaled, 2, (10,), {"width": 4}, is_vectorized)
    np.testing.assert_array_equal(prior.to_physical(points), 10 + 4 * POINTS)
    np.testing.assert_array_equal(prior.to_physical(points[0]), 10 + 4 * POINTS[0])
    np.testing.assert_array_equal(points, POINTS)


def test_a_function_of_one_point_is_called_point_by_point():
    shapes = []

    def prior(u):
        shapes.append(u.shape)
        return [float(u[0]), 2, u[1]]

    physical = FunctionPrior(prior, 2).to_physical(POINTS)
    assert shapes == [(2,)] * 3
    np.testing.assert_array_equal(physical[:, 1], 2.0)


@pytest.mark.parametrize("is_vectorized", [False, True])
def test_one_number_for_a_point_is_one_parameter(is_vectorized):
    prior = FunctionPrior(lambda u: 3 * u[..., 0], 1, is_vectorized=is_vectorized)
    np.testing.assert_array_equal(prior.to_physical([[0.0], [0.5]]), [[0.0], [1.5]])
    np.testing.assert_array_equal(prior.to_physical([0.5]), [1.5])


def test_vectors_in_a_dictionary_keep_their_shape():
    prior = FunctionPrior(lambda u: {"v": np.array([u[0], u[1], 0])}, 2)
    assert prior.to_physical(POINTS)["v"].shape == (3, 3)


def test_a_function_prior_has_a_stable_description():
    prior = FunctionPrior(triangle, 2)
    assert prior.describe() == (("function", "triangle"), ("n_dim", "2"), ("centre", "0.5, 0.25"))
    restored = cloudpickle.loads(cloudpickle.dumps(prior))
    assert restored.describe() == prior.describe()
    assert ("b", "0.25") in FunctionPrior(named, 2).describe()
    assert FunctionPrior(lambda u: {"word": "text"}, 1).describe()[-1] == ("word", "text")


@pytest.mark.parametrize(
    ("function", "is_vectorized", "message"),
    [
        (lambda u: None, False, "an array of numbers or a dictionary expected"),
        (lambda u: "text", False, "an array of numbers or a dictionary expected"),
        (lambda u: np.ones((2, 2)), False, r"shape \(2, 2\) for one point"),
        (lambda u: [], False, "one number for each parameter expected"),
        (lambda u: np.tile(u, 1 + int(u[0] > 0.5)), False, "the same ones for every point"),
        (lambda u: {f"{u[0]}": 1.0}, False, "the same ones for every point"),
        (lambda u: {"v": np.ones(int(4 * u[0]))}, False, "the same ones for every point"),
        (lambda u: [u[0], u[1]], True, "Is it written for one point"),
        (lambda u: 1.0, True, "one row for each point expected"),
        (lambda u: np.ones((3, 2, 1)), True, "one row for each point expected"),
        (lambda u: {"a": u[0], "b": u[:, 0]}, True, r"shapes {'a': \(2,\)}"),
        (lambda u: {"a": 1.0}, True, "first axis of each must have length 3"),
    ],
)
def test_a_function_that_returns_something_else_is_an_error(function, is_vectorized, message):
    prior = FunctionPrior(function, 2, is_vectorized=is_vectorized)
    with pytest.raises(PriorError, match=message):
        prior.to_physical(POINTS)


@pytest.mark.parametrize(
    "points", [0.5, [0.5], np.zeros((2, 3)), np.zeros((0, 2)), np.zeros((1, 1, 2))]
)
def test_a_function_prior_checks_the_shape_of_points(points):
    with pytest.raises(PriorError, match=r"so give \(2,\) or \(n, 2\)"):
        FunctionPrior(triangle, 2).to_physical(points)


@pytest.mark.parametrize("n_dim", [0, -1, 2.0, True, "2"])
def test_the_dimension_of_a_function_is_a_positive_integer(n_dim):
    with pytest.raises(PriorError, match="n_dim"):
        FunctionPrior(triangle, n_dim)


# The one form in which the package sees a prior


def test_by_default_a_prior_hands_over_dictionaries(mixed):
    mapping = as_prior_map(mixed)
    assert isinstance(mapping, DictionaryMap)
    assert mapping.n_dim == 3
    assert mapping.names == ("a", "b", "phase")
    assert mapping.periodic == (2,)
    assert mapping.describe() == mixed.describe()
    assert mapping.to_physical([0.5, 0.5, 0.5])["fixed"] == 3.0


def test_a_prior_hands_over_arrays_on_request(mixed):
    mapping = as_prior_map(mixed, pass_dict=False, n_dim=3)
    np.testing.assert_array_equal(mapping.to_physical([0.5, 0.5, 0.5]), [0.0, 1.0, np.pi])


def test_later_changes_of_a_prior_do_not_reach_the_map(mixed):
    mapping = as_prior_map(mixed)
    mixed.add_parameter("late")
    assert mapping.n_dim == 3
    assert "late" not in mapping.to_physical([0.5, 0.5, 0.5])


def test_a_function_gets_its_arguments():
    mapping = as_prior_map(scaled, n_dim=2, args=[10], kwargs={"width": 4}, vectorized=True)
    np.testing.assert_array_equal(mapping.to_physical(POINTS), 10 + 4 * POINTS)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"prior": triangle}, "n_dim is not given"),
        ({"prior": 3, "n_dim": 2}, "give a nautilus.Prior or a function"),
        ({"prior": one((0, 1)), "n_dim": 2}, "n_dim=2, but the prior has 1 free parameters"),
        ({"prior": one((0, 1)), "args": (1,)}, "leave them out"),
        ({"prior": one((0, 1)), "kwargs": {"width": 1}}, "leave them out"),
    ],
)
def test_what_cannot_be_a_prior_is_an_error(keywords, message):
    with pytest.raises(PriorError, match=message):
        as_prior_map(**keywords)
