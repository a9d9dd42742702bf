"""The page of compatibility names what there is, and all of it."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import nautilus.pool
from nautilus import Prior, Sampler

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "compatibility.md"

PUBLIC = {
    "Keywords of `Sampler`": """prior likelihood n_dim n_live n_update enlarge_per_dim n_points_min
        split_threshold periodic n_networks neural_network_kwargs prior_args prior_kwargs
        likelihood_args likelihood_kwargs n_batch n_like_new_bound vectorized pass_dict pool seed
        blobs_dtype filepath resume""",
    "Arguments of `run`": """f_live n_shell n_eff n_like_max discard_exploration timeout verbose""",
    "Arguments of `posterior`": """return_as_dict equal_weight equal_weight_boost return_blobs""",
    "Methods of `Sampler`": """run posterior evidence effective_sample_size
        asymptotic_sampling_efficiency print_status shell_bound_occupation write""",
    "Attributes of `Sampler`": """n_eff log_z eta n_like f_live explored discard_exploration points
        log_l blobs pool_l pool_s rng""",
    "`Prior`": """add_parameter keys dists dimensionality unit_to_physical physical_to_dictionary
        unit_to_dictionary""",
    "Module `nautilus.pool`": """Pool NautilusPool initialize_worker likelihood_worker""",
    "What is not here": """bounds points_t log_l_t blobs_t shell_t n_update_iter n_like_iter shell_n
        shell_n_eff shell_n_sample shell_n_sample_exp shell_end_exp shell_log_l shell_log_l_min
        shell_log_v log_v_live add_bound add_samples sample_shell evaluate_likelihood
        update_shell_info shell_association write_shell_update nautilus.bounds nautilus.neural""",
}
"""The names of nautilus-sampler 1.0.6, by the section in which they stand."""


def sections():
    """Return the names in the first column of each section's table, and the text of their rows."""
    page = PAGE.read_text(encoding="utf-8")
    for section in page.split("\n## ")[1:]:
        title, text = section.split("\n", 1)
        rows = re.findall(r"^\| (`[^|]*) \|(.*)\|$", text, re.MULTILINE)
        yield title, {name: row for names, row in rows for name in re.findall(r"`([^`]+)`", names)}


ON_THE_PAGE = dict(sections())


def names_of(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def arguments_of(function):
    return set(inspect.signature(function).parameters) - {"self"}


def is_method(name):
    return callable(inspect.getattr_static(Sampler, name))


KEYWORDS = arguments_of(Sampler)
OTHERS = names_of(Sampler) - KEYWORDS
HERE = {
    "Keywords of `Sampler`": KEYWORDS,
    "Arguments of `run`": arguments_of(Sampler.run),
    "Arguments of `posterior`": arguments_of(Sampler.posterior),
    "Methods of `Sampler`": {name for name in OTHERS if is_method(name)},
    "Attributes of `Sampler`": {name for name in OTHERS if not is_method(name)},
    "`Prior`": names_of(Prior),
    "Module `nautilus.pool`": set(nautilus.pool.__all__),
}


@pytest.mark.parametrize("section", HERE)
def test_every_name_is_on_the_page_and_in_the_package(section):
    assert set(ON_THE_PAGE[section]) == HERE[section]


@pytest.mark.parametrize("section", PUBLIC)
def test_every_name_of_the_public_package_is_on_the_page(section):
    assert set(PUBLIC[section].split()) <= set(ON_THE_PAGE[section])


@pytest.mark.parametrize("section", HERE)
def test_what_is_only_here_is_said_to_be(section):
    """Of a name that both have, a part may be: the row does not begin with it then."""
    marked = {name for name, row in ON_THE_PAGE[section].items() if row.startswith(" *only here*")}
    assert marked == HERE[section] - set(PUBLIC[section].split())


def test_what_is_said_not_to_be_here_is_not():
    names = set(ON_THE_PAGE["What is not here"]) - {"nautilus.bounds", "nautilus.neural"}
    assert names == set(PUBLIC["What is not here"].split()) - {"nautilus.bounds", "nautilus.neural"}
    assert not names & names_of(Sampler)
    for module in ("bounds", "neural"):
        assert not hasattr(nautilus, module)


def test_keywords_can_be_read_but_for_those_that_are_given_away():
    assert KEYWORDS - names_of(Sampler) == {"pool"}
    order = PUBLIC["Keywords of `Sampler`"].split()
    assert list(inspect.signature(Sampler).parameters)[: len(order)] == order


def test_every_front_end_that_is_run_is_in_the_table_with_its_version(monkeypatch):
    monkeypatch.syspath_prepend(TESTS / "frontends")
    expected = [
        (front_end.name, front_end.requirements[0].split("==")[1], what)
        for front_end in import_module("front_ends").FRONT_ENDS
        for what in front_end.scripts.values()
    ]
    text = PAGE.read_text(encoding="utf-8")
    text = text[text.index("measured: begin") : text.index("measured: end")]
    rows = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in text.splitlines()[3:-1]]
    assert [tuple(row[:3]) for row in rows] == expected
    assert all(re.match("(works|breaks: .+)$", outcome) for row in rows for outcome in row[3:])
