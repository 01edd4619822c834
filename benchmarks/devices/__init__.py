"""`python -m benchmarks --devices cpu,cuda`: the same models on several devices, and when a GPU pays."""
