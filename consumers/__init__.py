"""Public functions of libraries written to the array API standard, called on polymod's Tensors and differentiated.

`python -m consumers` runs the table and writes docs/consumers.md; `nox -s consumers` does so in an environment of
its own.
"""
