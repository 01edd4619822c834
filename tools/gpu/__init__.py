"""What `tools/gpu_report.py` is made of."""
