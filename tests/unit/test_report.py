"""Progress: what is written, where, how often, and what is forecast."""

import contextlib
import dataclasses
import io
import logging
import math
import os
import struct
import sys
from types import SimpleNamespace

import pytest

from nautilus.errors import SettingsError
from nautilus.report import (
    CallbackReporter,
    Combined,
    LiveLine,
    LogReporter,
    NotebookLine,
    PlainLines,
    ProgressRecord,
    Silent,
    header_line,
    log_stop,
    make_reporter,
)
from nautilus.report.format import (
    format_count,
    format_count_range,
    format_duration,
    format_duration_range,
    format_log_z,
    format_number,
    format_rate,
    format_value,
)
from nautilus.report.line import RateMeter, status_line
from nautilus.report.table import html_table, text_table

try:
    import fcntl
    import pty
    import termios
except ImportError:
    pty = None

FULL_LINE = (
    "sampling | 12 proposals | 34,500 calls | 1,230/s | n_eff 5,123 | log Z -98.903 +- 0.021"
    " | left: 8,000 to 12,000 calls, 4 to 6 min | calm round"
)


def record(**changes):
    values = {
        "phase": "sampling",
        "n_proposals": 12,
        "n_like": 34_500,
        "n_eff": 5123.2,
        "log_z": -98.9031,
        "log_z_err": 0.0213,
        "f_live": 0.001,
        "eta": 0.4,
        "elapsed_seconds": 10.0,
        "likelihood_seconds": 8.0,
        "own_seconds": 2.0,
        "n_like_forecast": (8000.0, 12_100.0),
        "seconds_forecast": (250.0, 370.0),
        "message": "calm round",
    }
    return ProgressRecord(**{**values, **changes})


class Terminal(io.StringIO):
    """A stream that says it is a terminal, for systems without pseudo terminals too."""

    def isatty(self):
        return True

    def fileno(self):
        return 77


@pytest.fixture(params=["fake", "pseudo"] if pty else ["fake"])
def terminal(request, monkeypatch):
    """Open a terminal of some width: its stream, and a function that returns what arrived."""
    with contextlib.ExitStack() as stack:

        def fake(columns):
            stream = Terminal()
            size = os.terminal_size((columns, 24))
            monkeypatch.setattr(os, "get_terminal_size", lambda _: size)
            return stream, stream.getvalue

        def pseudo(columns):
            ours, theirs = pty.openpty()
            stack.callback(os.close, ours)
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            stream = stack.enter_context(os.fdopen(theirs, "w", encoding="utf-8"))

            def received():
                # What was written arrives in pieces: read up to a mark of our own.
                os.write(theirs, b"\x04")
                arrived = b""
                while not arrived.endswith(b"\x04"):
                    arrived += os.read(ours, 4096)
                return arrived[:-1].decode().replace("\r\n", "\n")

            return stream, received

        yield fake if request.param == "fake" else pseudo


def screen(written, columns):
    """Return what a terminal shows: rows of characters, wrapped at the width."""
    rows, row, column = [[]], 0, 0
    for character in written:
        if character == "\r":
            column = 0
        elif character == "\n" or column == columns:
            rows.append([])
            row, column = row + 1, 0
        if character not in "\r\n":
            rows[row][column:column] = [" "] * (column - len(rows[row]))
            rows[row][column : column + 1] = [character]
            column += 1
    return ["".join(characters).rstrip() for characters in rows]


class TestRecord:
    def test_is_immutable(self):
        with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign"):
            record().n_like = 3

    def test_it_is_readable(self):
        told = record(findings=("x < y",), log_level=-3.25, log_volume=-4.5)
        lines = repr(told).splitlines()
        assert lines[0] == "ProgressRecord"
        assert [line.split()[0] for line in lines[1:]] == [
            "phase", "proposals", "calls", "n_eff", "log", "f_live", "elapsed", "contour", "left",
            "finding", "message",
        ]  # fmt: skip
        assert "  left       8,000 to 12,000 calls or 4 to 6 min" in lines
        assert "<td>x &lt; y</td>" in told._repr_html_()

    def test_phase_is_one_of_two(self):
        with pytest.raises(SettingsError, match="phase is 'burn-in'"):
            record(phase="burn-in")


class TestFormat:
    @pytest.mark.parametrize(
        ("count", "text"),
        [
            (0, "0"),
            (0.5, "1"),
            (999.4, "999"),
            (34_500, "34,500"),
            (999_999.4, "999,999"),
            (999_999.6, "1.00M"),
            (1_234_567, "1.23M"),
            (999_994_000, "999.99M"),
            (999_996_000, "1.00G"),
            (2.5e12, "2.50T"),
            (math.nan, "?"),
            (math.inf, "?"),
            (-1, "?"),
        ],
    )
    def test_count(self, count, text):
        assert format_count(count) == text

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (None, "?"),
            (math.nan, "?"),
            (math.inf, "?"),
            (-1.0, "?"),
            (0.0, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1 min 00 s"),
            (250.0, "4 min 10 s"),
            (3599.4, "59 min 59 s"),
            (3599.6, "1 h 00 min"),
            (3.0 * 3600 + 300, "3 h 05 min"),
            (86_369.0, "23 h 59 min"),
            (86_371.0, "1 d 00 h"),
            (2 * 86_400 + 4 * 3600, "2 d 04 h"),
            (1e8, "1,157 d 10 h"),
        ],
    )
    def test_duration(self, seconds, text):
        assert format_duration(seconds) == text

    @pytest.mark.parametrize(
        ("rate", "text"),
        [
            (None, "?/s"),
            (math.nan, "?/s"),
            (-1.0, "?/s"),
            (0.0, "0/s"),
            (1230.4, "1,230/s"),
            (9.96, "10/s"),
            (2.34, "2.3/s"),
            (0.5, "30/min"),
            (0.05, "3.0/min"),
            (0.005, "18/h"),
            (1e-4, "8.6/d"),
        ],
    )
    def test_rate(self, rate, text):
        assert format_rate(rate) == text

    @pytest.mark.parametrize(
        ("value", "error", "text"),
        [
            (-98.9031, 0.0213, "-98.903"),
            (1234.5, 30.0, "1234"),
            (1e-9, 1.0, "0.0"),
            (2e-12, 3e-14, "2.000e-12"),
            (2.5e12, 1e9, "2.5000e+12"),
            (0.0, 1e-9, "0.0e+00"),
            (0.4, 1e-17, "0.400000000000"),
            (3.0, 0.0, "3"),
            (3.0, math.nan, "3"),
            (math.inf, 1.0, "inf"),
            (math.nan, 1.0, "nan"),
        ],
    )
    def test_value(self, value, error, text):
        assert format_value(value, error) == text

    @pytest.mark.parametrize(
        ("log_z", "error", "text"),
        [
            (-98.9031, 0.0213, "-98.903 +- 0.021"),
            (-98.9, math.nan, "-98.90 +- ?"),
            (-math.inf, math.nan, "? +- ?"),
            (-98.9, math.inf, "-98.90 +- ?"),
            (0.0, 0.0, "0 +- 0"),
            (-20.944123, 0.0, "-20.944123 +- 0"),
            (-20.944123, 3e-4, "-20.94412 +- 0.00030"),
            (-20.944123, 3e-13, "-20.944123000000 +- 3.0e-13"),
            (-1e16, 0.0, "-1e+16 +- 0"),
            (-1e30, math.inf, "-1e+30 +- ?"),
            (-1e30, 8e-18, "-1e+30 +- 0"),
            (-20.944123, 3e-17, "-20.944123 +- 0"),
        ],
    )
    def test_log_z(self, log_z, error, text):
        assert format_log_z(log_z, error) == text

    @pytest.mark.parametrize(
        ("low", "high", "text"),
        [
            (0.1, 0.7, "less than 1 s"),
            (8.0, 14.2, "8 to 14 s"),
            (20.0, 59.0, "20 to 59 s"),
            (30.0, 110.0, "0.5 to 1.8 min"),
            (120.0, 240.0, "2 to 4 min"),
            (250.0, 260.0, "about 4 min"),
            (3000.0, 9000.0, "0.8 to 2.5 h"),
            (11_000.0, 18_000.0, "3 to 5 h"),
            (1e5, 4e5, "1.2 to 4.6 d"),
            (1e8, 2e8, "1,157 to 2,315 d"),
        ],
    )
    def test_duration_range(self, low, high, text):
        assert format_duration_range(low, high) == text

    @pytest.mark.parametrize(
        ("low", "high", "text"),
        [
            (8000.0, 12_100.0, "8,000 to 12,000"),
            (901.0, 909.0, "900 to 910"),
            (12_100.0, 12_300.0, "about 12,000"),
            (1.31e6, 2.57e6, "1.30M to 2.60M"),
        ],
    )
    def test_count_range(self, low, high, text):
        assert format_count_range(low, high) == text

    def test_number(self):
        assert (format_number(0.12345), format_number(math.nan)) == ("0.123", "?")

    def test_text_table_lines_up(self):
        table = text_table(("name", "x"), [("a", "1.5"), ("long name", "-10.5")])
        assert table.splitlines() == ["name           x", "a            1.5", "long name  -10.5"]

    def test_html_table_is_escaped(self):
        assert "<td>&lt;b&gt;</td>" in html_table(("a",), [("<b>",)])

    def test_header_line(self):
        text = header_line("0.1.0", 14, n_live=500, seed=1)
        assert text == "nautilus 0.1.0 | 14 parameters | n_live=500, seed=1"
        assert header_line("0.1.0", 1) == "nautilus 0.1.0 | 1 parameter"


class TestStatusLine:
    def test_everything(self):
        assert status_line(record(), 1230.0) == FULL_LINE

    @pytest.mark.parametrize("width", range(1, len(FULL_LINE) + 5))
    def test_fits_any_width(self, width):
        assert len(status_line(record(), 1230.0, width)) <= width

    def test_what_matters_least_goes_first(self):
        line = status_line(record(), 1230.0, 79)
        assert line == "sampling | 34,500 calls | log Z -98.903 +- 0.021 | left: 4 to 6 min"
        exploring = status_line(record(phase="exploration", log_z_err=math.inf), 1230.0, 79)
        assert exploring == (
            "exploration | 34,500 calls | n_eff 5,123 | log Z -98.90 +- ? | left: 4 to 6 min"
        )
        assert "left" not in status_line(record(), 1230.0, 50)

    def test_findings_are_counted(self):
        found = record(findings=("one", "two"))
        line = status_line(found, 1230.0, 79)
        assert line == "sampling | 34,500 calls | log Z -98.903 +- 0.021 | 2 findings"
        assert "| 1 finding |" in status_line(record(findings=("one",)), None)

    def test_what_is_not_known_is_left_out(self):
        line = status_line(record(n_like_forecast=None, message=""), None)
        assert line == (
            "sampling | 12 proposals | 34,500 calls | n_eff 5,123 | log Z -98.903 +- 0.021"
        )
        assert "left: 8,000 to 12,000 calls |" in status_line(record(seconds_forecast=None), None)
        over = record(n_like_forecast=(0.0, 0.0), seconds_forecast=(0.0, 0.0))
        assert "left" not in status_line(over, None)

    def test_a_message_stays_on_the_line(self):
        assert status_line(record(message="two\r\nlines"), None).endswith("| two lines")


class TestRate:
    def test_first_interval_of_this_run_only(self):
        meter = RateMeter()
        assert meter.update(record(n_like=1_000_000, elapsed_seconds=0.0)) is None
        assert meter.update(record(n_like=1_000_100, elapsed_seconds=2.0)) == 50.0

    def test_forgets_what_is_long_past(self):
        meter = RateMeter()
        rate = None
        for second in range(200):
            calls = 100 * min(second, 100) + 10 * max(second - 100, 0)
            rate = meter.update(record(n_like=calls, elapsed_seconds=float(second)))
        assert rate == pytest.approx(10.0)


class TestLiveLine:
    @pytest.mark.parametrize("columns", [20, 80, 200])
    def test_on_a_terminal(self, terminal, columns):
        stream, received = terminal(columns)
        reporter = make_reporter(verbose=True, stream=stream)
        reporter.update(record(phase="exploration", elapsed_seconds=0.0, n_like=0))
        reporter.update(record(phase="exploration", elapsed_seconds=1.0, n_like=99_999))
        reporter.update(record(phase="exploration", elapsed_seconds=1.01, n_like=100_001))
        reporter.update(record(elapsed_seconds=3.0, message="much longer than before"))
        reporter.update(record(elapsed_seconds=4.0, message=""))
        reporter.close()
        shown = screen(received(), columns)
        assert len(shown) == 3
        assert shown[0].startswith("exploration")
        assert shown[1].startswith("sampling")
        assert shown[2] == ""
        assert all(len(row) < columns for row in shown)
        assert "longer" not in shown[1]
        if columns == 200:
            assert "100,001 calls" in shown[0]
            assert shown[1].endswith("| left: 8,000 to 12,000 calls, 4 to 6 min")

    def test_a_terminal_without_a_size_counts_as_80(self, terminal):
        stream, received = terminal(0)
        LiveLine(stream).update(record())
        assert 40 < len(received().strip()) < 80

    def test_shorter_lines_leave_nothing_behind(self):
        stream = Terminal()
        reporter = LiveLine(stream)
        reporter.update(record(message="x" * 5, n_like_forecast=None))
        reporter.update(record(message="", n_like_forecast=None, elapsed_seconds=20.0))
        reporter.close()
        assert "x" not in screen(stream.getvalue(), 80)[0]

    def test_at_most_ten_drawings_a_second_and_the_last_one_at_the_end(self):
        stream = Terminal()
        reporter = LiveLine(stream)
        for i in range(1000):
            reporter.update(record(n_like=i, elapsed_seconds=i / 1000, message=""))
        assert stream.getvalue().count("\r") <= 11
        reporter.close()
        assert "999 calls" in stream.getvalue()
        assert stream.getvalue().endswith("\n")

    def test_tidy_after_an_exception_and_closing_twice(self):
        def interrupted(reporter):
            with contextlib.closing(reporter):
                reporter.update(record())
                raise KeyboardInterrupt("by hand")

        stream = Terminal()
        reporter = LiveLine(stream)
        with pytest.raises(KeyboardInterrupt, match="by hand"):
            interrupted(reporter)
        written = stream.getvalue()
        assert written.endswith("\n")
        reporter.close()
        assert stream.getvalue() == written

    def test_nothing_without_a_record(self):
        stream = Terminal()
        LiveLine(stream).close()
        assert stream.getvalue() == ""

    def test_notes_stand_on_lines_of_their_own(self):
        stream = Terminal()
        reporter = LiveLine(stream)
        reporter.note("nautilus 0.1.0")
        reporter.update(record())
        reporter.note("the end")
        lines = screen(stream.getvalue(), 80)
        assert lines[0] == "nautilus 0.1.0"
        assert lines[1].startswith("sampling")
        assert lines[2:] == ["the end", ""]


class TestPlainLines:
    def test_no_carriage_returns_and_only_whole_lines(self):
        stream = io.StringIO()
        reporter = make_reporter(verbose=True, stream=stream)
        reporter.note("nautilus 0.1.0")
        for second in range(100):
            reporter.update(record(elapsed_seconds=float(second)))
        reporter.close()
        written = stream.getvalue()
        assert "\r" not in written
        assert written.endswith("\n")
        assert written.splitlines()[0] == "nautilus 0.1.0"
        assert written.splitlines()[2].startswith("[10 s] sampling | ")

    def test_cadence(self):
        stream = io.StringIO()
        reporter = PlainLines(stream)
        for second in range(96):
            reporter.update(record(elapsed_seconds=float(second), n_like=second))
        assert len(stream.getvalue().splitlines()) == 10
        reporter.close()
        reporter.close()
        assert len(stream.getvalue().splitlines()) == 11
        assert " 95 calls " in stream.getvalue()

    def test_a_day_is_a_few_hundred_lines(self):
        stream = io.StringIO()
        reporter = PlainLines(stream)
        for second in range(0, 86_400, 5):
            reporter.update(record(elapsed_seconds=float(second)))
        assert 100 < len(stream.getvalue().splitlines()) < 500

    def test_a_phase_change_is_always_shown_with_the_end_of_the_phase_before(self):
        stream = io.StringIO()
        reporter = PlainLines(stream)
        reporter.update(record(phase="exploration", elapsed_seconds=0.0, n_like=1))
        reporter.update(record(phase="exploration", elapsed_seconds=1.0, n_like=2))
        reporter.update(record(phase="sampling", elapsed_seconds=2.0, n_like=3))
        lines = stream.getvalue().splitlines()
        assert ["| 1 calls" in lines[0], "| 2 calls" in lines[1], "| 3 calls" in lines[2]] == [
            True
        ] * 3

    def test_a_dumb_terminal_gets_plain_lines(self, monkeypatch):
        monkeypatch.setenv("TERM", "dumb")
        stream = Terminal()
        make_reporter(verbose=True, stream=stream).update(record())
        assert "\r" not in stream.getvalue()


class TestStreams:
    def test_standard_error_by_default(self, capsys):
        with contextlib.closing(make_reporter(verbose=True)) as reporter:
            reporter.update(record())
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "sampling" in captured.err

    @pytest.mark.parametrize("stream", [None, Terminal(), io.StringIO()])
    def test_not_verbose_is_silence(self, capfd, stream):
        with contextlib.closing(make_reporter(verbose=False, stream=stream)) as reporter:
            reporter.note("nautilus 0.1.0")
            for phase in ("exploration", "sampling"):
                reporter.update(record(phase=phase))
        assert capfd.readouterr() == ("", "")
        assert stream is None or stream.getvalue() == ""

    def test_a_program_without_standard_error(self, monkeypatch, capfd, caplog):
        caplog.set_level(logging.INFO, "nautilus")
        monkeypatch.setattr(sys, "stderr", None)
        received, told = [], record()
        with contextlib.closing(make_reporter(verbose=True, callback=received.append)) as reporter:
            reporter.note("nautilus 0.1.0")
            reporter.update(told)
        assert received == [told]
        assert capfd.readouterr() == ("", "")
        # The log goes on, and has nothing to complain about.
        assert [entry.levelname for entry in caplog.records] == ["INFO", "INFO"]

    @pytest.mark.parametrize("kind", [LiveLine, PlainLines])
    def test_a_stream_that_is_gone_does_not_end_the_run(self, kind, caplog):
        stream = io.StringIO()
        reporter = kind(stream)
        stream.close()
        for second in (0.0, 100.0, 200.0):
            reporter.update(record(elapsed_seconds=second))
        reporter.close()
        assert [entry.levelname for entry in caplog.records] == ["WARNING"]
        assert "no longer shown" in caplog.text

    def test_a_broken_pipe_does_not_end_the_run(self, caplog):
        reading, writing = os.pipe()
        os.close(reading)
        with io.TextIOWrapper(os.fdopen(writing, "wb", buffering=0), write_through=True) as stream:
            reporter = PlainLines(stream)
            reporter.update(record())
            reporter.close()
        assert "no longer shown" in caplog.text

    def test_characters_that_the_stream_does_not_know(self):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii")
        reporter = PlainLines(stream)
        reporter.note("K2-24 · λ")
        assert raw.getvalue().decode() == f"K2-24 ? ?{os.linesep}"


class TestNotebook:
    @pytest.fixture
    def shown(self, monkeypatch):
        """What a notebook's cell shows, one entry per message to the browser."""
        messages = []

        def display(data, *, raw, display_id):
            assert raw
            assert display_id
            messages.append(data["text/plain"])
            return SimpleNamespace(update=lambda data, *, raw: messages.append(data["text/plain"]))

        shell = SimpleNamespace(kernel=None)
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
        monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
        return messages

    def test_one_line_per_phase(self, shown, capfd):
        reporter = make_reporter(verbose=True)
        reporter.note("nautilus 0.1.0")
        for second in range(3):
            reporter.update(record(phase="exploration", elapsed_seconds=float(second)))
        reporter.update(record(elapsed_seconds=2.1, n_like=50))
        reporter.update(record(elapsed_seconds=2.2, n_like=60))
        reporter.close()
        assert len(shown) == 6
        lines = shown[-1].splitlines()
        assert [line.split(" | ")[0] for line in lines] == [
            "nautilus 0.1.0",
            "exploration",
            "sampling",
        ]
        assert "60 calls" in lines[-1]
        assert capfd.readouterr() == ("", "")

    def test_closing_twice_shows_nothing_new(self, shown):
        reporter = NotebookLine()
        reporter.close()
        reporter.update(record())
        reporter.close()
        assert len(shown) == 1

    def test_a_stream_that_was_asked_for_wins(self, shown):
        stream = io.StringIO()
        make_reporter(verbose=True, stream=stream).update(record())
        assert shown == []
        assert stream.getvalue()

    @pytest.mark.parametrize("shell", [None, SimpleNamespace()])
    def test_python_and_ipython_in_a_terminal_are_no_notebooks(self, monkeypatch, shell, capfd):
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
        make_reporter(verbose=True).update(record())
        assert "sampling" in capfd.readouterr().err


class TestCallback:
    def test_gets_every_record_verbose_or_not(self):
        received = []
        for verbose in (True, False):
            reporter = make_reporter(verbose, io.StringIO(), received.append)
            for n_like in range(5):
                reporter.update(record(n_like=n_like))
            reporter.close()
        assert [entry.n_like for entry in received] == [*range(5), *range(5)]

    def test_its_exception_comes_through_after_the_record_was_shown(self):
        def stop(entry):
            raise ZeroDivisionError(entry.message)

        stream = io.StringIO()
        reporter = make_reporter(True, stream, stop)
        with (
            pytest.raises(ZeroDivisionError, match="calm round"),
            contextlib.closing(reporter),
        ):
            reporter.update(record())
        assert "34,500 calls" in stream.getvalue()

    def test_must_be_callable(self):
        with pytest.raises(SettingsError, match="callback is 3; expected a function"):
            make_reporter(verbose=False, callback=3)

    def test_closing_closes_all_even_if_one_fails(self):
        closed = []

        class Part:
            def __init__(self, name):
                self.name = name

            def close(self):
                closed.append(self.name)
                raise RuntimeError(self.name)

        with pytest.raises(RuntimeError, match="second"):
            Combined(Part("first"), Part("second")).close()
        assert closed == ["first", "second"]

    def test_notes_reach_all(self):
        streams = io.StringIO(), io.StringIO()
        reporter = Combined(*map(PlainLines, streams), Silent(), CallbackReporter(print))
        reporter.note("hello")
        assert [stream.getvalue() for stream in streams] == ["hello\n"] * 2


class TestLog:
    def test_phases_and_messages(self, caplog):
        caplog.set_level(logging.INFO, "nautilus")
        reporter = LogReporter()
        reporter.update(record(phase="exploration", n_like=0, message=""))
        reporter.update(record(n_like=900, message="a"))
        reporter.update(record(n_like=1000, message="a"))
        reporter.update(record(phase="exploration", n_like=1100, message="a heavy point"))
        told = [(entry.levelname, entry.getMessage()) for entry in caplog.records]
        assert told == [
            ("INFO", "The exploration phase begins (0 calls, log Z -98.903 +- 0.021)"),
            ("INFO", "The sampling phase begins (900 calls, log Z -98.903 +- 0.021)"),
            ("INFO", "a (900 calls, log Z -98.903 +- 0.021)"),
            ("WARNING", "Exploration re-opened (1,100 calls, log Z -98.903 +- 0.021)"),
            ("INFO", "a heavy point (1,100 calls, log Z -98.903 +- 0.021)"),
        ]

    def test_every_record_at_debug_level(self, caplog):
        caplog.set_level(logging.DEBUG, "nautilus")
        reporter = make_reporter(verbose=False)
        reporter.update(record())
        reporter.update(record())
        assert sum(entry.levelname == "DEBUG" for entry in caplog.records) == 2

    def test_findings_are_warnings(self, caplog):
        caplog.set_level(logging.INFO, "nautilus")
        log_stop("n_eff reached", "900 calls", ("the tail is heavy",))
        told = [(entry.levelname, entry.getMessage()) for entry in caplog.records]
        assert told == [
            ("INFO", "Run stopped: n_eff reached (900 calls)"),
            ("WARNING", "Finding: the tail is heavy"),
        ]
