"""The functions behind the layers, under torch.nn.functional's names and argument order."""

from .activation import *
from .attention import *
from .conv import *
from .dropout import *
from .embedding import *
from .linear import *
from .loss import *
from .normalization import *
from .padding import *
from .pooling import *
