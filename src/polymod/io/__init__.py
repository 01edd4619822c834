"""Files: safetensors checkpoints, and writing that never leaves half a file."""

from .files import atomic_write
from .safetensors import load_file, load_metadata, save_file

__all__ = ["atomic_write", "load_file", "load_metadata", "save_file"]
