"""What proves an engine: samples of every operation, checks on them, and the conformance kit.

    pytest --pyargs polymod.testing.conformance --polymod-backend NAME[:DEVICE]

It needs pytest and NumPy, nothing else.
"""
