"""Tools for modules and their gradients, under torch.nn.utils' names."""

from . import parametrizations as parametrizations
from . import parametrize as parametrize
from . import prune as prune
from . import rnn as rnn
from . import stateless as stateless
from .clip_grad import *
from .convert_parameters import *
from .fusion import *
from .skip_init import *
from .spectral_norm import *
from .weight_norm import *
