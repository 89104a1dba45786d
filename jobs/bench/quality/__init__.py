"""How good fitted models are, beside the script that everybody writes. See `jobs/bench/fit_quality.py`."""
