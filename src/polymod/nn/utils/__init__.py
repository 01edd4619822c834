"""Tools for modules and their gradients, under torch.nn.utils' names."""

from .clip_grad import *
