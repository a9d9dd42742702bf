"""Are posteriors and model probabilities as often right as they say? Many simulated data sets.

The command ``python -m nautilus.testing.calibration`` makes the runs and writes the page.
"""
