"""The conformance kit: what every engine has to prove, a chapter a file.

pytest --pyargs polymod.testing.conformance --polymod-backend NAME[:DEVICE]
"""
