"""Keywords that a call does not take: which one was meant."""

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, ParamSpec, TypeVar

from nautilus.errors import KeywordError

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

WORDS_OF_OTHERS: Final = {
    "prior": "prior_transform priortransform prior_function ptform transform",
    "likelihood": "loglikelihood log_likelihood loglike log_like logl lnlike log_prob_fn"
    " likelihood_function",
    "n_dim": "ndim ndims n_dims nparams n_params num_params x_dim dim",
    "n_live": "nlive npoints n_points nlive_points n_live_points live_points num_live_points"
    " min_num_live_points nlive_init n_active",
    "n_update": "update_interval first_update",
    "n_batch": "batch_size chunk_size ndraw_max n_vectorized",
    "periodic": "wrapped_params wrapped cyclic circular boundary periodic_parameters",
    "prior_args": "ptform_args",
    "prior_kwargs": "ptform_kwargs",
    "likelihood_args": "logl_args loglikelihood_args log_prob_args",
    "likelihood_kwargs": "logl_kwargs loglikelihood_kwargs",
    "vectorized": "vectorised vectorize vectorization",
    "pool": "npool n_pool ncores n_cores ncpu n_cpu nproc n_procs processes nthreads n_threads"
    " threads n_jobs n_workers queue_size",
    "seed": "rstate rng random_state random_seed sampling_seed",
    "filepath": "checkpoint_file outputfiles_basename log_dir file_root base_dir filename output"
    " outdir output_dir resume_file savefile",
    "save_interval": "checkpoint_every checkpoint_delta_t check_point_delta_t checkpoint_interval",
    "f_live": "dlogz frac_remain evidence_tolerance tol tolerance precision_criterion stopping",
    "n_eff": "n_effective neff min_ess ess n_ess target_ess n_total",
    "n_like_max": "maxcall max_ncalls maxiter max_iter max_iters max_iteration max_calls ncalls",
    "timeout": "max_time max_run_time",
    "verbose": "print_progress show_status progress",
    "callback": "print_func viz_callback",
    "key": "name label parameter param",
    "dist": "distribution bounds range limits prior",
}
"""Our keywords, with the words that other samplers have for about the same."""

WITHOUT_COUNTERPART: Final = (
    "bound sample walks slices facc fmove max_move bootstrap enlarge nact maxmcmc naccept proposals"
    " use_pool min_ncall min_eff add_live save_history save_bounds logl_max n_walkers nwalkers"
    " num_test_samples num_bootstraps draw_multiple max_num_improvement_loops dkl lepsilon"
    " cluster_num_live_points sampling_efficiency importance_nested_sampling const_efficiency_mode"
    " multimodal init_mpi num_repeats nprior flow_config n_evidence"
)
"""Words of other samplers for what has no counterpart here."""

NOTES: Final = {"f_live": " (a share of the evidence, not a difference of its logarithm)"}

LIKENESS: Final = 0.7
"""How alike two words have to be for one to be taken as the other misspelt, from 0 to 1."""


def explains_keywords(function: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Let a method say which keyword was meant where it is given one that it does not take."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        unknown = [word for word in kwargs if word not in signature.parameters]
        if unknown:
            owner = type(args[0])
            called = _name(owner, function.__name__)
            taken = dict.fromkeys(list(signature.parameters)[1:], called)
            raise KeywordError(_message(called, unknown, _takers(owner) | taken))
        return function(*args, **kwargs)

    # Tools that do not look behind decorators see the keywords too.
    checked.__signature__ = signature  # type: ignore[attr-defined]
    return checked


def _name(owner: type, method: str) -> str:
    return f"{owner.__name__}()" if method == "__init__" else f"{method}()"


def _takers(owner: type) -> dict[str, str]:
    """Return the keywords of an object's calls, each with the call that takes it."""
    methods = [name for name in ("__init__", "run", "add_parameter") if hasattr(owner, name)]
    return {
        word: _name(owner, name)
        for name in methods
        for word in list(inspect.signature(getattr(owner, name)).parameters)[1:]
    }


def _message(called: str, unknown: Collection[str], takers: Mapping[str, str]) -> str:
    told = "; ".join(f"{word!r}: {_advice(word, called, takers)}" for word in unknown)
    return f"{called} got {len(unknown)} keyword(s) that it does not take. {told}"


def _advice(word: str, called: str, takers: Mapping[str, str]) -> str:
    meant = _meant(word, takers)
    if meant is None:
        if word.lower() in WITHOUT_COUNTERPART.split():
            return "this has no counterpart here, leave it out."
        taken = ", ".join(name for name, taker in takers.items() if taker == called)
        return f"leave it out. Taken are {taken}."
    if meant == word:
        return f"give it to {takers[meant]} instead."
    of = "" if takers[meant] == called else f" of {takers[meant]}"
    return f"did you mean {meant}{of}?{NOTES.get(meant, '')}"


def _meant(word: str, takers: Mapping[str, Any]) -> str | None:
    if word in takers:
        return word
    for ours, theirs in WORDS_OF_OTHERS.items():
        if ours in takers and word.lower() in theirs.split():
            return ours
    if word.lower() in WITHOUT_COUNTERPART.split():
        return None
    alike = difflib.get_close_matches(word.lower(), takers, n=1, cutoff=LIKENESS)
    return alike[0] if alike else None
