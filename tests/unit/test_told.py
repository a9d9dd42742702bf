"""What a run says of itself: while it explores, when it goes on, at its end, in a notebook."""

import io
import json
import logging
import math
import pickle
import re
import sys
from dataclasses import replace

import cloudpickle
import numpy as np
import pytest
from scipy import stats

import nautilus
from nautilus import EdgeMassWarning, NoResultError, Prior, Sampler, load
from nautilus.cli import main
from nautilus.progress import Progress, make_record
from nautilus.report import LogReporter, PlainLines
from nautilus.result import UNFINISHED
from nautilus.run.loop import answer
from nautilus.run.state import Phase

SMALL = {"n_live": 50, "n_update": 150, "n_networks": 0, "seed": 3}
GOAL = {"f_live": 0.1, "n_eff": 400}


def make_prior():
    prior = Prior()
    prior.add_parameter("a", dist=(-3, 3))
    prior.add_parameter("b", dist=stats.norm(0, 2))
    return prior


def log_likelihood(p):
    return -0.5 * ((p["a"] / 0.1) ** 2 + (p["b"] / 0.1) ** 2)


EXACT = math.log(2 * math.pi * 0.01 / 6) + stats.norm.logpdf(0, scale=math.hypot(2, 0.1))


def make(likelihood=log_likelihood, **changes):
    return Sampler(make_prior(), likelihood, **{**SMALL, **changes})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a run with a file that has reached its goal, and what its callback was told."""
    records = []
    sampler = make(filepath=tmp_path_factory.mktemp("finished") / "run.nautilus")
    assert sampler.run(**GOAL, callback=records.append)
    return sampler, records


class TestErrorOfTheEvidence:
    """While a run explores the scatter of weights says nothing of what it will find."""

    @pytest.fixture
    def exploring(self, tmp_path):
        sampler = make(filepath=tmp_path / "run.nautilus")
        sampler.run(n_like_max=400, **GOAL)
        return sampler

    def test_the_scatter_alone_would_be_wrong(self, exploring):
        """Negative control: it once stood for the error."""
        scatter = answer(exploring._session.state, False)
        assert abs(scatter.log_z - EXACT) > 0.01
        assert math.isfinite(scatter.log_z_err)
        assert scatter.log_z_err > 0

    def test_it_is_not_known(self, exploring):
        result = exploring.result
        assert exploring.log_z_err == result.log_z_err == math.inf
        assert result.findings == (UNFINISHED,)
        assert re.search(r"log Z +-?\d+\.\d\d \+- \?\n", result.summary())
        assert " +- ?" in repr(result)

    def test_nor_in_the_file(self, exploring, capsys):
        path = exploring._session._checkpoint.path
        assert load(path).log_z_err == math.inf
        assert load(path).findings == (UNFINISHED,)
        assert main(["info", str(path)]) == 0
        assert re.search(r"log Z +-?\d+\.\d\d \+- \?\n", capsys.readouterr().out)
        assert main(["info", "--json", str(path)]) == 0
        assert json.loads(capsys.readouterr().out)["result"]["log_z_err"] is None

    def test_records_know_it_from_the_first_sampling_stage_on(self, finished):
        sampler, records = finished
        assert {r.log_z_err for r in records if r.phase == "exploration"} == {math.inf}
        known = [math.isfinite(r.log_z_err) for r in records if r.phase == "sampling"]
        assert known == sorted(known)
        assert known[-1]
        assert records[-1].log_z_err == sampler.log_z_err == sampler.result.log_z_err
        assert sampler.log_z_err == answer(sampler._session.state, False).log_z_err
        assert sampler.result.findings == ()

    def test_a_surprise_takes_it_back(self, finished):
        sampler = pickle.loads(cloudpickle.dumps(finished[0]))
        session = sampler._session
        session.state = replace(session.state, phase=Phase.EXPLORATION)
        assert sampler.log_z_err == math.inf
        assert sampler.result.log_z_err == math.inf
        assert sampler.result.findings == (UNFINISHED,)

    def test_a_constant_has_no_contours_and_an_exact_evidence(self):
        sampler = make(lambda _: -3.0)
        with pytest.warns(nautilus.UntrustedResultWarning, match="log L is -3 at all"):
            sampler.run(n_eff=200)
        assert (sampler.log_z, sampler.log_z_err) == pytest.approx((-3.0, 0.0))
        assert UNFINISHED not in sampler.result.findings
        assert "log Z        -3 +- 0\n" in sampler.result.summary()

    def test_a_file_with_an_older_answer_says_the_same(self, finished, monkeypatch):
        """The answer is of the same points, but the run has re-opened its exploration since."""
        path = finished[0].filepath
        saved = nautilus.loading.read_run(path, None)
        reopened = replace(saved, state=replace(saved.state, phase=Phase.EXPLORATION))
        monkeypatch.setattr(nautilus.loading, "read_run", lambda *_: reopened)
        assert load(path).log_z_err == math.inf
        assert load(path).findings == (UNFINISHED,)


class TestFindings:
    def told(self, sampler, state, findings):
        """Return what a reporter and the log are told of a step with findings."""
        stream = io.StringIO()
        reporter, progress = PlainLines(stream), Progress()
        session = sampler._session
        for found in findings:
            step = nautilus.session.Step(replace(state, findings=found), "stage complete")
            record = make_record(
                step, session.estimate, session._watch.clocks, discard_exploration=False
            )
            goal = nautilus.session.forecast_goal(session.config, session.goal)
            progress.tell(reporter, record, goal, (), is_planned=False)
        reporter.close()
        return stream.getvalue().splitlines()

    def test_they_are_told_as_they_are_made(self, finished, caplog):
        caplog.set_level(logging.WARNING, "nautilus")
        sampler, _ = finished
        steps = [(), ("at 1.5 of 20", "b"), ("at 2.5 of 30", "b"), ("at 2.5 of 30", "b", "c")]
        lines = self.told(sampler, sampler._session.state, steps)
        notes = [line for line in lines if line.startswith("finding: ")]
        assert notes == ["finding: at 1.5 of 20", "finding: b", "finding: c"]
        assert "| 3 findings" in lines[-2]
        assert "finding" not in lines[0]
        logged = [entry.getMessage() for entry in caplog.records]
        assert logged == ["Finding: at 1.5 of 20", "Finding: b", "Finding: c"]

    def test_that_it_still_explores_is_none(self, finished):
        assert all(r.findings == () for r in finished[1])


class TestGoingOn:
    def test_resuming_says_so(self, tmp_path, capsys, caplog):
        caplog.set_level(logging.INFO, "nautilus")
        path = tmp_path / "run.nautilus"
        make(filepath=path).run(n_like_max=400, **GOAL, verbose=True)
        assert "continuing" not in capsys.readouterr().err
        sampler = make(filepath=path)
        caplog.clear()
        sampler.run(**GOAL, verbose=True)
        lines = capsys.readouterr().err.splitlines()
        assert lines[1] == f"continuing {path} with 400 calls"
        assert caplog.messages[0] == lines[1]
        sampler.run(n_eff=500, verbose=True)
        assert "continuing" not in capsys.readouterr().err

    def test_log_lines_say_how_far_the_run_is(self, caplog):
        caplog.set_level(logging.INFO, "nautilus")
        sampler = make()
        sampler.run(**GOAL)
        assert len(caplog.messages) > 5
        pattern = re.compile(r" \([\d,]+ calls, log Z (\?|-?[\d.]+) \+- (\?|[\d.]+)\)$")
        assert [text for text in caplog.messages if not pattern.search(text)] == []
        assert f"({sampler.n_like:,} calls, log Z {sampler.log_z:.2f}"[:-1] in caplog.messages[-1]


class TestEdges:
    @pytest.mark.parametrize(
        ("likelihood", "message"),
        [
            (lambda p: -3000 * (p["a"] + 3), "thousandth of the lower edge of the prior of a; is"),
            (lambda p: -0.5 * ((p["b"] - 9) / 0.3) ** 2, "in the upper tail of .* b, .* disagree"),
            pytest.param(
                lambda p: -0.5 * ((p["b"] + 9) / 0.3) ** 2, "in the lower tail of the prior of b",
                marks=pytest.mark.long,
            ),
        ],
    )  # fmt: skip
    def test_a_prior_without_edge_has_a_tail(self, likelihood, message):
        with pytest.warns(EdgeMassWarning, match=message):
            make(likelihood).run(**GOAL)

    def test_of_a_function_either_may_be_meant(self):
        sampler = Sampler(lambda u: 10 * u, lambda x: -30 * x[0], n_dim=1, **SMALL)
        with pytest.warns(EdgeMassWarning, match=r"lower end of the prior of x_0, .*disagree, or"):
            sampler.run(**GOAL)


class TestNotebooks:
    @pytest.fixture(scope="class")
    @staticmethod
    def values(finished):
        sampler, records = finished
        result = sampler.result
        return {
            "Sampler": sampler, "Posterior": result, "Draws": result.resample(7),
            "RunInformation": result.run, "ProgressRecord": records[-1], "Prior": make_prior(),
        }  # fmt: skip

    NAMES = ("Sampler", "Posterior", "Draws", "RunInformation", "ProgressRecord", "Prior")

    @pytest.mark.parametrize("name", NAMES)
    def test_every_public_value_has_a_representation(self, values, name):
        html = values[name]._repr_html_()
        assert html.count("<table>") == html.count("</table>") == 1
        assert "<td>" in html
        assert "object at 0x" not in html

    @pytest.mark.parametrize("name", NAMES)
    def test_and_a_readable_plain_one(self, values, name):
        lines = repr(values[name]).splitlines()
        assert lines[0].startswith(name)
        assert 2 < len(lines) < 20
        assert "array(" not in repr(values[name])
        assert max(map(len, lines)) < 120

    def test_a_sampler_says_how_far_it_is(self, values):
        sampler = values["Sampler"]
        text = repr(sampler)
        assert f"{sampler.n_like:,} calls" in text
        assert "the wanted effective sample size was reached" in text
        assert "not run yet" in repr(make())

    def test_what_it_shows_starts_nothing(self):
        sampler = make(lambda _: sys.exit("the likelihood was called"))
        assert repr(sampler)
        with pytest.raises(NoResultError, match="no result yet"):
            _ = sampler.result

    def test_draws_tell_of_blobs(self):
        sampler = make(lambda p: (log_likelihood(p), p["a"]))
        sampler.run(**GOAL)
        assert "blobs       of type" in repr(sampler.result.resample(3))


class TestAdvice:
    def test_stands_in_the_summary_of_a_run_that_mostly_explored(self):
        sampler = make(n_live=200, n_update=200)
        sampler.run(f_live=0.1, n_eff=100)
        result = sampler.result
        run = result.run
        assert run.n_exploration > 0.5 * result.n_like
        share = f"{run.n_exploration / result.n_like:.0%}"
        summary = result.summary()
        assert f"advice       {share} of the calls explored" in summary
        assert "n_live (200)" in summary
        assert all(len(line) <= 80 for line in summary.splitlines())

    def test_but_not_of_one_that_mostly_sampled_or_still_explores(self):
        sampler = make()
        sampler.run(n_like_max=400, **GOAL)
        assert sampler.result.run.n_exploration == 400
        assert "advice" not in sampler.result.summary()
        sampler.run(f_live=0.1, n_eff=5000)
        result = sampler.result
        ledger = sampler._session.state.ledger
        explored = [s.n_points for s in ledger.stages if s.phase is Phase.EXPLORATION]
        assert result.run.n_exploration == sum(explored) < 0.5 * result.n_like
        assert "advice" not in result.summary()

    def test_stands_where_it_is_looked_for(self):
        for text in (Sampler.__doc__, Sampler.run.__doc__):
            assert "expensive" in text
            assert "500 to 2,000" in text


def test_the_log_reporter_ignores_notes(caplog):
    LogReporter().note("finding: x")
    assert caplog.messages == []
    assert np.isinf(make().log_z_err)
