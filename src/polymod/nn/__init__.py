"""Modules: layers, containers and losses under torch.nn's names. Each file's `__all__` says what it gives."""

from . import functional as functional
from . import init as init
from . import utils as utils
from .activation import *
from .attention import *
from .containers import *
from .conv import *
from .dropout import *
from .embedding import *
from .flatten import *
from .linear import *
from .loss import *
from .module import *
from .normalization import *
from .parameter import *
from .pooling import *
