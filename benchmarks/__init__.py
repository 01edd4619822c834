"""Timings of polymod on any engines, beside other libraries, in one run: `python -m benchmarks --help`."""
