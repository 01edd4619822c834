"""Modules: layers, containers and losses under torch.nn's names. Each file's `__all__` says what it gives."""

from . import functional as functional
from . import init as init
from . import utils as utils
from .activation import *
from .adaptive import *
from .adaptive_pooling import *
from .attention import *
from .batchnorm import *
from .containers import *
from .conv import *
from .cross_entropy import *
from .ctc import *
from .data_parallel import *
from .distance import *
from .dropout import *
from .embedding import *
from .flatten import *
from .fold import *
from .instancenorm import *
from .linear import *
from .local_response import *
from .loss import *
from .margin_loss import *
from .module import *
from .normalization import *
from .padding import *
from .parameter import *
from .pooling import *
from .recurrent import *
from .recurrent_cells import *
from .shuffle import *
from .transformer import *
from .upsampling import *
