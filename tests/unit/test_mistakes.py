"""Usual mistakes of a first script: each is met before the run, with its cure."""

import numpy as np
import pytest

from nautilus import LikelihoodError, Prior, PriorError, Sampler


def prior():
    made = Prior()
    made.add_parameter("a")
    made.add_parameter("b", dist=(0, 2))
    made.add_parameter("fixed", dist=3.0)
    return made


def message_of(likelihood, given=None, error=LikelihoodError, **settings):
    with pytest.raises(error) as caught:
        Sampler(given or prior(), likelihood, seed=1, **settings).run()
    return str(caught.value)


def unpacked(x):
    a, b = x
    return a - b


DICTIONARY_AS_ARRAY = [
    lambda x: x - 0.5,
    lambda x: -x,
    lambda x: x**2,
    lambda x: np.sum(x**2),
    lambda x: np.sum(np.square(x)),
    lambda x: x[0],
    lambda x: x[0:2],
    lambda x: x[..., 0],
    lambda x: x[:, 0],
    lambda x: x.sum(),
    lambda x: x.shape,
    lambda x: np.dot(x, x),
    float,
    lambda x: np.asarray(x, dtype=float),
    unpacked,
]


@pytest.mark.parametrize("likelihood", DICTIONARY_AS_ARRAY)
@pytest.mark.parametrize("vectorized", [False, True])
def test_a_dictionary_taken_for_an_array_names_pass_dict(likelihood, vectorized):
    text = message_of(likelihood, vectorized=vectorized)
    shape = r"(8, 2)" if vectorized else "(2,)"
    assert f"If it takes an array of shape {shape}, give pass_dict=False." in text
    assert "a dictionary with the keys 'a', 'b', 'fixed'" in text


ARRAY_AS_DICTIONARY = [
    lambda p: p["a"],
    lambda p: p.get("a"),
    lambda p: p.values(),
    lambda p: sum(p.items()),
]


@pytest.mark.parametrize("likelihood", ARRAY_AS_DICTIONARY)
@pytest.mark.parametrize("vectorized", [False, True])
def test_an_array_taken_for_a_dictionary_names_pass_dict(likelihood, vectorized):
    text = message_of(likelihood, pass_dict=False, vectorized=vectorized)
    assert "If it takes a dictionary, leave out pass_dict=False." in text
    assert "on_error" not in text
    text = message_of(likelihood, lambda u: u, n_dim=2, vectorized=vectorized)
    assert "If it takes a dictionary, let the prior function return one." in text


def test_an_array_from_a_function_is_asked_of_the_function():
    text = message_of(
        lambda x: x[0],
        lambda u: {"a": u[0], "b": u[1]},
        n_dim=2,
    )
    assert "If it takes an array, let the prior function return one." in text


MANY_AS_ONE = [
    lambda p: -1.0 if p["a"] < 0.5 else -2.0,
    lambda p: float(p["a"]),
    lambda p: float("nan" if p["a"].any() and p["a"] else 0),
]


@pytest.mark.parametrize("likelihood", MANY_AS_ONE)
def test_many_points_taken_for_one_name_vectorized(likelihood):
    text = message_of(likelihood, vectorized=True)
    assert "If it takes one point at a time, leave vectorized=False." in text


ONE_AS_MANY = [
    lambda x: x[:, 0],
    lambda x: np.sum(x, axis=1),
    lambda x: [row[0] for row in x],
    lambda x: len(x[0]),
]


@pytest.mark.parametrize("likelihood", ONE_AS_MANY)
def test_one_point_taken_for_many_names_vectorized(likelihood):
    text = message_of(likelihood, pass_dict=False)
    assert "If it takes many points at once, give vectorized=True." in text


def test_answers_of_other_shapes_name_vectorized():
    text = message_of(lambda p: -(p["a"] ** 2) * np.ones(5))
    assert "(vectorized=True is for functions that take many points at once)" in text
    text = message_of(lambda p: -float(np.sum(p["a"])), vectorized=True)
    assert "(leave vectorized=False for a function that takes one point)" in text


def misspelt(_):
    return undefined_name  # noqa: F821


def not_installed(_):
    import no_such_module_anywhere  # noqa: F401, PLC0415


def not_python(_):
    return compile("a b", "", "eval")


@pytest.mark.parametrize(
    "likelihood",
    [misspelt, not_installed, not_python, lambda p: p["c"], lambda p: p.missing, lambda: 0.0],
)
@pytest.mark.parametrize("on_error", ["raise", "-inf", "retry"])
def test_a_mistake_in_the_program_is_not_to_be_counted_away(likelihood, on_error):
    text = message_of(likelihood, on_error=on_error)
    assert "on_error" not in text
    assert text.endswith("Correct the function.")


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, RuntimeError, OSError])
def test_what_may_happen_at_some_points_can_be_counted_away(error):
    def log_l(_):
        raise error("here")

    assert "Correct the function, or choose on_error='-inf' or 'retry'." in message_of(log_l)


def test_a_mistake_that_comes_late_can_be_counted_away():
    calls = []

    def log_l(p):
        calls.append(1)
        return -(p["a"] ** 2) if len(calls) < 20 else None + 1

    text = message_of(log_l)
    assert "raised TypeError" in text
    assert "choose on_error='-inf' or 'retry'" in text
    assert "pass_dict" not in text


# Prior functions


def density(u):
    return 0.0 if np.all((u > 0) & (u < 1)) else -np.inf


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        (density, {}),
        (lambda u: -0.5 * np.sum(u**2), {}),
        (lambda u: np.array([-0.5 * np.sum(u**2)]), {}),
        (lambda u: -0.5 * np.sum(u**2, axis=-1), {"vectorized": True}),
        (lambda u: u[:2], {}),
        (lambda u: u[:, :2], {"vectorized": True}),
    ],
)
def test_a_density_is_no_map_of_the_cube(function, settings):
    text = message_of(lambda x: -np.sum(x**2, axis=-1), function, PriorError, n_dim=3, **settings)
    assert "a map, not a density" in text
    assert "n_dim=3" in text


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        (lambda u: 0.0, {}),
        (lambda u: np.zeros(len(u)), {"vectorized": True}),
        (lambda u: {"a": 1.0}, {}),
        (lambda u: {"a": np.ones(len(u))}, {"vectorized": True}),
    ],
)
def test_a_constant_is_no_map_of_the_cube(function, settings):
    text = message_of(lambda _: 0.0, function, PriorError, n_dim=1, **settings)
    assert "returned the same numbers" in text
    assert "a map, not a density" in text


def test_a_choice_that_is_rarely_another_is_a_map():
    sampler = Sampler(
        lambda u: [u[0] > 0.995], lambda x: -x[0], n_dim=1, n_live=50, n_networks=0, seed=1
    )
    sampler.run(n_like_max=60)
    assert sampler.n_like == 60


@pytest.mark.parametrize(
    ("function", "settings", "expected"),
    [
        (lambda u: None, {}, "returned None; an array of numbers or a dictionary"),
        (lambda u: {"a": 1.0, "b": 2.0}, {"vectorized": True}, "must have length 8"),
        (lambda u: u, {"pass_dict": True}, "leave pass_dict out, or let the prior function"),
        (lambda u: 1 / int(u[0] > 2), {}, "given one point of shape (2,); vectorized=True"),
        (
            lambda u: u if u[0] < 0.5 else -u,
            {"vectorized": True},
            "given points of shape (n, 2), because vectorized=True",
        ),
    ],
)
def test_a_prior_function_says_what_it_was_given(function, settings, expected):
    text = message_of(lambda x: 0.0, function, PriorError, n_dim=2, **settings)
    assert expected in text
