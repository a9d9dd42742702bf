"""What users' values mean: a number, a missing number, or nothing that could be one."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from nautilus import LikelihoodError, Posterior, Prior, PriorError, Sampler, SettingsError
from nautilus._numbers import NotRealError, as_reals
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood
from nautilus.prior.function import FunctionPrior


class Cube:
    @staticmethod
    def to_physical(points):
        return points.copy()


class Ohm(np.ndarray):
    """An array with a unit: its entries are no plain numbers."""

    @property
    def flat(self):
        return (with_unit(value) for value in np.asarray(self).flat)

    def __float__(self):
        raise TypeError("only dimensionless scalar quantities can be converted")


class Degrees:
    """A number of another library."""

    def __repr__(self):
        return "Degrees()"  # names of tests are the same in all processes

    def __float__(self):
        return -3.5


def with_unit(values):
    return np.asarray(values).view(Ohm)


NUMBERS = [
    (2, 2.0),
    (-(10**30), -1e30),
    (-(10**400), -np.inf),
    (10**20, 1e20),
    (np.float32(0.5), 0.5),
    (np.int8(-3), -3.0),
    (np.uint64(2**63), 2.0**63),
    (np.longdouble(-0.5), -0.5),
    (Fraction(-1, 4), -0.25),
    (Decimal("-1.5"), -1.5),
    (Degrees(), -3.5),
    (np.array(2.0), 2.0),
    (np.array([2.0]), 2.0),
    (np.array([[2]]), 2.0),
    (np.array(-(10**30), dtype=object), -1e30),
    ([2.0], 2.0),
    (-np.inf, -np.inf),
    (np.ma.array(-2.0), -2.0),
]
MISSING = [
    np.nan,
    np.ma.masked,
    np.ma.log(0.0),
    np.ma.array([1.0, 2.0], mask=True).mean(),
    np.ma.array(5.0, mask=True),
    np.ma.array([7], mask=[True]),
    Decimal("nan"),
]
REFUSED = [
    (True, "returned True; expected a real number"),
    (False, "returned False; expected a real number"),
    (np.bool_(False), "returned False; expected"),
    (np.array(True), "returned an array of type bool; expected"),
    (np.ma.array(True, mask=True), "returned an array of type bool; expected"),
    (None, "returned None; .*return statement missing"),
    ("-1.5", "type str; expected"),
    (b"-1.5", "type bytes; expected"),
    (np.str_("1"), "type str_; expected"),
    (1j, "type complex; expected"),
    (np.complex64(1), "type complex64; expected"),
    (np.timedelta64(3, "s"), "type timedelta64; expected"),
    (np.datetime64("2020-01-01"), "type datetime64; expected"),
    ({"log_l": 1.0}, "type dict; expected"),
    ({1.0}, "type set; expected"),
    ([None], "type list that holds None; expected"),
    ([True], "type list that holds True; expected"),
    (["1.0"], "type list that holds an object of type str; expected"),
    (np.array(["1.0"], dtype=object), "holds an object of type str; expected"),
    (with_unit(1.0), "type float64; expected"),
    (10**400, "returned inf at"),
    (np.longdouble("1e4000"), "returned inf at"),
]
POINTS = np.random.default_rng(5).random((6, 2))


def column(value):
    """Return a vectorised likelihood with an ordinary number at all points but the last."""

    def log_l(x):
        return [value if i == len(x) - 1 else -1.0 for i in range(len(x))]

    return log_l


def evaluated(likelihood):
    parts = list(Evaluator(likelihood).evaluate(POINTS))
    return np.concatenate([part.log_l for part in parts])


@pytest.mark.parametrize(("given", "meaning"), NUMBERS, ids=repr)
def test_numbers_of_any_type_and_size_are_log_likelihoods(given, meaning):
    found = evaluated(Likelihood(lambda _: given, Cube()))
    np.testing.assert_array_equal(found, np.full(6, meaning), strict=True)
    if np.ndim(given) == 0:
        found = evaluated(Likelihood(column(given), Cube(), vectorized=True))
        np.testing.assert_array_equal(found, [-1.0] * 5 + [meaning], strict=True)


@pytest.mark.parametrize("given", MISSING, ids=repr)
def test_what_is_masked_is_missing(given):
    with pytest.raises(LikelihoodError, match=r"returned nan .*a masked value counts as nan"):
        evaluated(Likelihood(lambda _: given, Cube()))
    found = evaluated(Likelihood(lambda _: given, Cube(), on_nan="-inf"))
    np.testing.assert_array_equal(found, np.full(6, -np.inf))
    if np.ndim(given) == 0:
        found = evaluated(Likelihood(column(given), Cube(), vectorized=True, on_nan="-inf"))
        np.testing.assert_array_equal(found, [-1.0] * 5 + [-np.inf])


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=lambda x: repr(x)[:20])
def test_what_is_no_number_is_refused(given, message):
    with pytest.raises(LikelihoodError, match=message):
        evaluated(Likelihood(lambda _: given, Cube(), on_nan="-inf"))
    if np.ndim(given) == 0:
        with pytest.raises(LikelihoodError, match=r"returned inf|a real number"):
            evaluated(Likelihood(column(given), Cube(), vectorized=True, on_nan="-inf"))


@pytest.mark.parametrize(
    "given",
    [
        np.zeros(4, bool),
        np.ma.zeros(4, bool),
        [True] * 4,
        [1.0, True, 0.0, 0.0],
        np.array(["1"] * 4),
        np.zeros(4, complex),
        np.zeros(4, "m8[s]"),
        np.array([1.0, None, 1.0, 1.0], dtype=object),
        with_unit(np.zeros(4)),
    ],
    ids=repr,
)
def test_arrays_of_what_is_no_number_are_refused(given):
    with pytest.raises(LikelihoodError, match="expected a real number"):
        evaluated(Likelihood(lambda _: given, Cube(), vectorized=True))


@pytest.mark.parametrize(
    "of",
    [
        lambda x: np.ma.log(np.where(x > 0.5, x, 0.0)),
        lambda x: [np.ma.log(max(v - 0.5, 0.0) and v) for v in x],
        lambda x: np.ma.array(np.log(x), mask=x <= 0.5),
        lambda x: np.ma.array(np.log(x), mask=x <= 0.5, dtype=object),
    ],
)
def test_masked_entries_of_arrays_are_missing(of):
    likelihood = Likelihood(lambda x: of(x[:, 0]), Cube(), vectorized=True, on_nan="-inf")
    known = POINTS[:, 0] > 0.5
    assert 0 < known.sum() < 6
    expected = np.where(known, np.log(POINTS[:, 0]), -np.inf)
    np.testing.assert_allclose(evaluated(likelihood), expected, rtol=1e-15)


def test_only_lists_and_arrays_of_equal_entries_are_arrays_of_numbers():
    values = as_reals([np.ma.array([1, 2], mask=[1, 0]), (Fraction(1, 2), 3)])
    np.testing.assert_array_equal(values, [[np.nan, 2.0], [0.5, 3.0]])
    source = np.zeros(2)
    assert not np.shares_memory(as_reals(source), source)
    with pytest.raises(NotRealError, match="different shapes"):
        as_reals([[1.0], 2.0])


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_masked_likelihood_gives_the_evidence_of_its_unmasked_part(vectorized):
    def log_l(p):
        value = -0.5 * ((p["a"] - 0.5) / 0.05) ** 2
        return np.ma.array(value, mask=p["a"] < 0.5)

    prior = Prior()
    prior.add_parameter("a")
    sampler = Sampler(
        prior, log_l, n_live=100, n_networks=0, seed=2, vectorized=vectorized, on_nan="-inf"
    )
    assert sampler.run(n_eff=1000)
    exact = np.log(0.5 * 0.05 * np.sqrt(2 * np.pi))
    assert abs(sampler.log_z - exact) < 5 * sampler.log_z_err + 0.01


# Blobs


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (lambda x: np.ma.array(x, mask=x < 0.5), lambda x: np.where(x < 0.5, np.nan, x)),
        (
            lambda x: np.ma.array(np.round(9 * x).astype(int), mask=x < 0.5),
            lambda x: np.where(x < 0.5, np.nan, np.round(9 * x)),
        ),
    ],
)
def test_masked_blobs_are_missing(fields, expected, vectorized):
    def log_l(x):
        return np.zeros(x.shape[:-1]), fields(x[..., 0])

    parts = list(Evaluator(Likelihood(log_l, Cube(), vectorized=vectorized)).evaluate(POINTS))
    blobs = np.concatenate([part.blobs for part in parts])
    np.testing.assert_array_equal(blobs, expected(POINTS[:, 0]), strict=True)


# Priors


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("as_dict", [False, True])
def test_masked_parameters_are_missing(vectorized, as_dict):
    def prior(u):
        a = np.ma.array(u[..., 0], mask=u[..., 0] < 0.5)
        return {"a": a, "b": u[..., 1]} if as_dict else np.ma.stack([a, u[..., 1]], axis=-1)

    physical = FunctionPrior(prior, 2, is_vectorized=vectorized).to_physical(POINTS)
    a = physical["a"] if as_dict else physical[:, 0]
    assert type(a) is np.ndarray
    np.testing.assert_array_equal(a, np.where(POINTS[:, 0] < 0.5, np.nan, POINTS[:, 0]))


@pytest.mark.parametrize(
    "returned",
    [["0.5", "1"], [None, 1.0], [1j, 0.0], np.array(["a", "b"]), [np.datetime64(1, "s")]],
)
def test_parameters_in_arrays_are_numbers(returned):
    with pytest.raises(PriorError, match="an array of numbers or a dictionary expected"):
        FunctionPrior(lambda _: returned, 1).to_physical(POINTS[:, :1])


def test_a_choice_is_a_parameter():
    prior = FunctionPrior(lambda u: [u[0] > 0.5, 10**20 * round(u[1])], 2)
    expected = [[float(a > 0.5), 1e20 * round(b)] for a, b in POINTS]
    np.testing.assert_array_equal(prior.to_physical(POINTS), expected)


@pytest.mark.parametrize("number", [Decimal("0.5"), Fraction(1, 2), np.array(0.5), np.float32(0.5)])
def test_a_number_of_any_type_fixes_a_parameter(number):
    prior = Prior()
    prior.add_parameter("a")
    prior.add_parameter("b", dist=number)
    assert prior.dists[1] == 0.5
    prior.add_parameter("c", dist=(Fraction(0), Decimal(2)))
    np.testing.assert_array_equal(prior.unit_to_physical([0.5, 0.5]), [0.5, 1.0])


@pytest.mark.parametrize(
    "dist",
    [
        10**400,
        np.ma.masked,
        np.array(True),
        (True, 2),
        ("0", "1"),
        (0, 10**400),
        (np.ma.masked, 1.0),
        (None, 1.0),
        (np.timedelta64(0), np.timedelta64(1)),
        np.ma.array([0.0, 1.0], mask=[True, False]),
    ],
    ids=repr,
)
def test_bounds_and_fixed_values_are_finite_numbers(dist):
    with pytest.raises(PriorError, match=r"finite|two numbers|no method"):
        Prior().add_parameter("a", dist=dist)


class Strange:
    """A distribution whose quantiles are whatever a function makes of them."""

    def __init__(self, change):
        self.change = change

    def ppf(self, u):
        return self.change(np.asarray(u))


@pytest.mark.parametrize(
    "change", [lambda u: u.astype(str), lambda u: u + 0j, lambda u: np.ma.array(u, mask=u < 0.3)]
)
def test_quantiles_are_numbers(change):
    with pytest.raises(PriorError, match="ppf"):
        Prior().add_parameter("a", dist=Strange(change))


def test_quantiles_that_are_masked_later_are_missing():
    prior = Prior()
    prior.add_parameter("a", dist=Strange(lambda u: np.ma.array(u, mask=(u > 0.3) & (u < 0.4))))
    np.testing.assert_array_equal(prior.unit_to_physical([[0.2], [0.35]]), [[0.2], [np.nan]])


@pytest.mark.parametrize("points", [["0.5"], [True], [None], [0.5j]])
def test_points_of_the_cube_are_numbers(points):
    prior = Prior()
    prior.add_parameter("a", dist=stats.norm())
    for one in (prior.unit_to_physical, FunctionPrior(lambda u: u, 1).to_physical):
        with pytest.raises(PriorError, match="must be an array of numbers"):
            one(points)


# Settings and results


def make(**changes):
    prior = Prior()
    prior.add_parameter("a")
    return Sampler(prior, lambda p: -p["a"], **{"n_live": 100, "seed": 1, **changes})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_live", np.bool_(True)),
        ("n_live", "100"),
        ("n_live", np.ma.masked),
        ("n_live", -(10**400)),
        ("n_live", Fraction(201, 2)),
        ("enlarge_per_dim", True),
        ("enlarge_per_dim", "1.1"),
        ("enlarge_per_dim", np.ma.masked),
        ("enlarge_per_dim", 10**400),
        ("save_interval", -(10**400)),
        ("likelihood_args", {"a": 1}),
        ("prior_args", {"a": 1}),
    ],
)
def test_settings_are_numbers_too(name, value):
    with pytest.raises(SettingsError, match=name):
        make(**{name: value})


def test_no_limit_may_be_a_large_integer():
    sampler = make()
    assert sampler.run(n_eff=100, n_like_max=10**400, timeout=10**400, deadline=10**400)


@pytest.mark.parametrize(
    "bad",
    [
        {"array": [["1.0"], ["2.0"]]},
        {"array": [[True], [False]]},
        {"log_l": ["0", "1"]},
        {"log_l": [None, 0.0]},
        {"log_weights": [False, True]},
        {"log_weights": np.ma.array([0.0, 0.0], mask=[True, False])},
    ],
    ids=repr,
)
def test_results_are_made_of_numbers(bad):
    good = {"array": [[0.1], [0.2]], "log_l": [-1.0, -2.0], "log_weights": [0.0, 0.0]}
    numbers = {"log_z": 0.0, "log_z_err": 0.1, "n_eff": 2.0, "n_like": 2, "eta": 1.0}
    with pytest.raises(SettingsError, match=f"{next(iter(bad))}.* expected"):
        Posterior(names=("a",), tail_index=0.0, seed=1, **numbers, **{**good, **bad})
    posterior = Posterior(names=("a",), tail_index=0.0, seed=1, **numbers, **good)
    with pytest.raises(SettingsError, match="q has an object of type str"):
        posterior.quantile(["0.5"])
