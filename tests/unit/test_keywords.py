"""Keywords that nobody takes: each is named, with the one that was meant."""

import inspect
import re
import warnings

import numpy as np
import pytest

from nautilus import KeywordError, Prior, Sampler, SettingsError
from nautilus._keywords import WITHOUT_COUNTERPART, WORDS_OF_OTHERS


def prior():
    made = Prior()
    made.add_parameter("a")
    return made


def make(**keywords):
    return Sampler(prior(), lambda p: -p["a"], **keywords)


def of_sampler(**keywords):
    make(**keywords)


def of_run(**keywords):
    make().run(**keywords)


def of_parameter(**keywords):
    Prior().add_parameter(**keywords)


@pytest.mark.parametrize(
    ("call", "word", "advice"),
    [
        (of_sampler, "nlive", "'nlive': did you mean n_live?"),
        (of_sampler, "npoints", "did you mean n_live?"),
        (of_sampler, "n_lives", "did you mean n_live?"),
        (of_sampler, "NLIVE", "did you mean n_live?"),
        (of_sampler, "vectorised", "did you mean vectorized?"),
        (of_sampler, "npool", "did you mean pool?"),
        (of_sampler, "loglikelihood", "did you mean likelihood?"),
        (of_sampler, "prior_transform", "did you mean prior?"),
        (of_sampler, "checkpoint_file", "did you mean filepath?"),
        (of_sampler, "neural_network_kwarg", "did you mean neural_network_kwargs?"),
        (of_sampler, "dlogz", "did you mean f_live of run()? (a share of the evidence"),
        (of_sampler, "maxcall", "did you mean n_like_max of run()?"),
        (of_sampler, "n_eff", "'n_eff': give it to run() instead."),
        (of_sampler, "bound", "this has no counterpart here, leave it out."),
        (of_sampler, "xyzzy", "leave it out. Taken are prior, likelihood, n_dim, n_live"),
        (of_run, "dlogz", "did you mean f_live?"),
        (of_run, "n_efff", "did you mean n_eff?"),
        (of_run, "min_num_live_points", "did you mean n_live?"),
        (of_run, "loglikelihood", "did you mean likelihood of Sampler()?"),
        (of_run, "n_update", "'n_update': give it to Sampler() instead."),
        (of_run, "seed", "give it to Sampler() instead."),
        (of_parameter, "name", "did you mean key?"),
        (of_parameter, "prior", "did you mean dist?"),
        (of_parameter, "bounds", "did you mean dist?"),
        (of_parameter, "wrapped", "did you mean periodic?"),
        (of_parameter, "nlive", "leave it out. Taken are key, dist, periodic."),
    ],
)
def test_a_keyword_that_is_not_taken_says_which_one_was_meant(call, word, advice):
    with pytest.raises(KeywordError, match=re.escape(advice)) as caught:
        call(**{word: 1})
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, SettingsError)


def test_all_of_them_are_named_at_once():
    with pytest.raises(KeywordError, match=r"got 2 keyword.*'nlive': .*n_live.*; 'rstate': .*seed"):
        make(nlive=100, rstate=3)


OURS = set(inspect.signature(Sampler).parameters) | set(inspect.signature(Sampler.run).parameters)


def test_no_word_of_others_is_ours_and_each_leads_to_ours():
    of_prior = set(inspect.signature(Prior.add_parameter).parameters)
    assert WORDS_OF_OTHERS.keys() <= OURS | of_prior
    for ours, theirs in WORDS_OF_OTHERS.items():
        taken = OURS if ours in OURS else of_prior
        assert not taken & set(theirs.split())
        assert not set(WITHOUT_COUNTERPART.split()) & set(theirs.split())
        call = of_parameter if ours not in OURS else of_sampler
        for word in theirs.split():
            with pytest.raises(KeywordError, match=rf"did you mean {ours}\b"):
                call(**{word: 1})
    assert not set(WITHOUT_COUNTERPART.split()) & OURS


@pytest.mark.parametrize("function", [Sampler, Sampler.__init__, Sampler.run, Prior.add_parameter])
def test_tools_see_the_keywords(function):
    seen = inspect.signature(function).parameters
    assert not any(p.kind in {p.VAR_KEYWORD, p.VAR_POSITIONAL} for p in seen.values())
    spec = inspect.getfullargspec(function)
    assert spec.varkw is None
    assert [*spec.args, *spec.kwonlyargs][-len(seen) :] == list(seen)


def test_arguments_by_position_and_too_many_of_them_are_as_ever():
    with pytest.raises(TypeError, match="positional argument"):
        Prior().add_parameter("a", (0, 1), False, 4)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'prior'"):
        Sampler()
    made = Prior()
    made.add_parameter("a", (0, 2))
    np.testing.assert_array_equal(made.unit_to_physical([0.5]), [1.0])


def test_a_warning_of_a_run_points_at_its_line():
    sampler = Sampler(prior(), lambda p: -1e4 * p["a"], n_live=60, n_networks=0, seed=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = inspect.currentframe().f_lineno + 1
        sampler.run(n_eff=300)
    assert {(w.filename, w.lineno) for w in caught} == {(__file__, line)}
