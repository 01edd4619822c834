"""Special functions, under SciPy's names and with its order of arguments, differentiable on every engine.

SciPy looks for `xp.special` in the namespace of the arrays that it gets, and so finds these functions for Tensors.

An argument is a Tensor, an engine's array or a number, and they broadcast. Whole numbers count as the floating dtype
of the other arguments, or as the default one; float32 stays float32. Edges, poles and domains are SciPy's. An engine
computes a function itself where it can (NumPy through SciPy, if that is installed: `pip install 'polymod[special]'`),
else by a portable definition, whose errors its docstring in `polymod.rules` states.

There are derivatives of every order with respect to every argument, but for the order of `polygamma`, which raises a
GradientError when it requires grad. Derivatives in the parameters of `gammainc`, `betainc` and `stdtr` are exact up to
the rounding of a numerical integral.
"""

from .along import *
from .bessel import *
from .distributions import *
from .elementary import *
from .functions import *
from .relatives import *
