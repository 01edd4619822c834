"""The functions behind the layers, under torch.nn.functional's names and argument order."""

from .conv import *
from .normalization import *
from .pooling import *
