"""Progress and results in words: records, reporters, forecasts, log lines, tables."""

from nautilus.report.choose import (
    Callback,
    CallbackReporter,
    Combined,
    header_line,
    make_reporter,
)
from nautilus.report.forecast import (
    Forecast,
    ForecastGoal,
    Prediction,
    forecast,
    predict,
    with_forecast,
)
from nautilus.report.line import reached
from nautilus.report.log import LogReporter, log_findings, log_notes, log_stop
from nautilus.report.notebook import NotebookLine
from nautilus.report.output import Output
from nautilus.report.progress import LiveLine, PlainLines, Silent
from nautilus.report.record import EXPLORATION, PHASES, SAMPLING, ProgressRecord, Reporter

__all__ = [
    "EXPLORATION",
    "PHASES",
    "SAMPLING",
    "Callback",
    "CallbackReporter",
    "Combined",
    "Forecast",
    "ForecastGoal",
    "LiveLine",
    "LogReporter",
    "NotebookLine",
    "Output",
    "PlainLines",
    "Prediction",
    "ProgressRecord",
    "Reporter",
    "Silent",
    "forecast",
    "header_line",
    "log_findings",
    "log_notes",
    "log_stop",
    "make_reporter",
    "predict",
    "reached",
    "with_forecast",
]
