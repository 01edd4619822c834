"""Elementwise functions of the standard: y = f(x) or y = f(a, b), and their partial derivatives."""

import cmath
import math
from math import inf, nan
from math import log as ln

from ..autograd.families import Elementwise, General, minus_one, one, zero
from ..autograd.operands import fit
from ..autograd.primitive import Constant
from ..backend import correct, define

LN2, LN10 = ln(2), ln(10)

# arithmetic
add = Elementwise(one, one)
subtract = Elementwise(one, minus_one)
multiply = Elementwise(lambda xp, _y, _a, b: b, lambda xp, _y, a, _b: a)
divide = Elementwise(lambda xp, _y, _a, b: 1 / b, lambda xp, y, _a, b: -y / b, floating=True)
negative = Elementwise(minus_one)
positive = Elementwise(one)
reciprocal = Elementwise(lambda xp, y, _x: -y * y)
square = Elementwise(lambda xp, _y, x: 2 * x)
pow = Elementwise(  # d/da is 0 where the exponent is 0; d/db is 0 at base 0, where log is -inf
    lambda xp, _y, a, b: power_partial(xp, a, b),
    lambda xp, y, a, _b: y * log_of_base(xp, y, a),
)
remainder = Elementwise(one, lambda xp, _y, a, b: -xp.floor(a / b))
hypot = Elementwise(lambda xp, y, a, _b: a / y, lambda xp, y, _a, b: b / y)
copysign = Elementwise(lambda xp, y, a, _b: xp.sign(y) * xp.sign(a), zero)

# exponentials and logarithms
exp = Elementwise(lambda xp, y, _x: y)


@correct("c")
def expm1(xp, _own, x):
    """exp(x) - 1, accurate near 0; for complex x engines lack the accuracy or the standard's special values:

    exp(a + bj) - 1 = (exp(a) - 1) cos(b) - 2 sin(b/2)**2 + exp(a) sin(b) j, where the difference is small.
    """
    a, b = xp.real(x), xp.imag(x)
    near = (xp.abs(a) < 1) & xp.isfinite(b) & (x != 0)
    a, b = xp.where(near, a, 0), xp.where(near, b, 0)
    close = xp.expm1(a) * xp.cos(b) - 2 * xp.square(xp.sin(b / 2)) + 1j * (xp.exp(a) * xp.sin(b))
    y = xp.where(near, close, xp.exp(x) - 1)
    return xp.where((xp.real(x) == -inf) & ~xp.isfinite(xp.imag(x)), -1, y)


expm1 = Elementwise(lambda xp, y, _x: y + 1)
log = Elementwise(lambda xp, _y, x: 1 / x)
log1p = Elementwise(lambda xp, _y, x: 1 / (1 + x))
log2 = Elementwise(lambda xp, _y, x: 1 / (LN2 * x))
log10 = Elementwise(lambda xp, _y, x: 1 / (LN10 * x))
logaddexp = Elementwise(lambda xp, _y, a, b: xp.sigmoid(a - b), lambda xp, _y, a, b: xp.sigmoid(b - a))
sqrt = Elementwise(lambda xp, y, _x: 0.5 / y)  # inf at 0


@define
def flat_sqrt(xp, x):
    """The square root where a sum of squares is its input: there 0 is the smallest value, with derivative 0."""
    return xp.sqrt(x)


flat_sqrt = Elementwise(lambda xp, y, _x: xp.where(y == 0, 0, 0.5 / xp.where(y == 0, 1, y)))

# trigonometric and hyperbolic
sin = Elementwise(lambda xp, _y, x: xp.cos(x))
cos = Elementwise(lambda xp, _y, x: -xp.sin(x))
tan = Elementwise(lambda xp, y, _x: 1 + y * y)
asin = Elementwise(lambda xp, _y, x: 1 / xp.sqrt(1 - x * x))
acos = Elementwise(lambda xp, _y, x: -1 / xp.sqrt(1 - x * x))
atan = Elementwise(lambda xp, _y, x: 1 / (1 + x * x))
atan2 = Elementwise(  # 0 at the origin
    lambda xp, _y, a, b: b / squared_radius(xp, a, b), lambda xp, _y, a, b: -a / squared_radius(xp, a, b)
)
sinh = Elementwise(lambda xp, _y, x: xp.cosh(x))
cosh = Elementwise(lambda xp, _y, x: xp.sinh(x))


@correct("c")
def tanh(xp, own, x):
    """Hyperbolic tangent; by the standard it is 1 + 0j at inf + bj for any b > 0, in engines also 1 - 0j."""
    y = own(x)
    a, b = xp.real(x), xp.imag(x)
    end = xp.astype(xp.sign(a), y.dtype)
    return xp.where(xp.isinf(a) & xp.isfinite(b), xp.where(b < 0, xp.conj(end), end), y)


tanh = Elementwise(lambda xp, y, _x: 1 - y * y, pulled=lambda xp, g, y, _x: xp.tanh_back(g, y))
asinh = Elementwise(lambda xp, _y, x: 1 / xp.sqrt(x * x + 1))
acosh = Elementwise(lambda xp, _y, x: 1 / (xp.sqrt(x - 1) * xp.sqrt(x + 1)))
atanh = Elementwise(lambda xp, _y, x: 1 / (1 - x * x))

# steps: 0 everywhere (so is the sign of real numbers, below)
floor = Elementwise(zero)
ceil = Elementwise(zero)
trunc = Elementwise(zero)
round = Elementwise(zero)


@correct("f")
def floor_divide(xp, own, a, b):
    """The largest integer not above a / b; by the standard the quotient of an infinity is one, in engines NaN."""
    return xp.where(infinite(xp, a) | infinite(xp, b), xp.floor(a / b), own(a, b))


floor_divide = Elementwise(zero, zero)
nextafter = Elementwise(one, zero)  # almost everywhere: the step between neighbours is constant


def infinite(xp, x):
    """Where `x`, an array or a number, is infinite."""
    return xp.isinf(x) if hasattr(x, "dtype") else math.isinf(x)


# kinks: at a tie of maximum or minimum each side gets half; abs has 0 at 0
def power_partial(xp, a, b):
    """b * a ** (b - 1), and 0 where b is 0, also at a = 0."""
    if not hasattr(b, "dtype"):  # a number
        return 1 if b == 1 else 2 * a if b == 2 else 0 if b == 0 else b * a ** (b - 1)
    return b * a ** xp.where((a == 0) & (b == 0), 1, b - 1)


def log_of_base(xp, y, a):
    """log(a), but 0 at a = 0."""
    if hasattr(a, "dtype"):
        return xp.log(xp.where(a == 0, 1, a))
    if a == 0:
        return 0
    is_complex = isinstance(a, complex) or xp.isdtype(y.dtype, "complex floating")
    return cmath.log(a) if is_complex else ln(a) if a > 0 else nan


def squared_radius(xp, a, b):
    """a * a + b * b, and 1 at the origin, for what is to be 0 there."""
    total = a * a + b * b
    return xp.where(total == 0, 1, total)


def share(xp, winner, other, dtype):
    """1 where `winner` beats `other` by the order given, 1/2 where they are equal, 0 elsewhere."""
    return xp.astype(winner, dtype) + 0.5 * xp.astype(other, dtype)


def extremum(left, right):
    """Rules of a pairwise maximum or minimum; `left` and `right` say when the first and the second input win."""
    return Elementwise(
        lambda xp, y, a, b: share(xp, left(a, b), a == b, y.dtype),
        lambda xp, y, a, b: share(xp, right(a, b), a == b, y.dtype),
    )


maximum = extremum(lambda a, b: a > b, lambda a, b: b > a)
minimum = extremum(lambda a, b: a < b, lambda a, b: b < a)
abs = General(lambda xp, g, _y, x: absolute_cotangent(xp, g, x))
clip = General(
    lambda xp, g, _y, x, low, high: fit(xp, xp.where(within(xp, x, low, high), g, 0), x),
    lambda xp, g, _y, x, low, high: fit(xp, xp.where(below(xp, x, low, high), g, 0), low),
    lambda xp, g, _y, x, low, high: fit(xp, xp.where(above(xp, x, low, high), g, 0), high),
)


@correct("c")
def sign(xp, own, x):
    """x / |x|, and 0 at 0; for complex x some engines keep the signs of the zero's parts."""
    return xp.where(x == 0, 0, own(x))


sign = General(lambda xp, g, y, x: sign_cotangent(xp, g, y, x))


def absolute_cotangent(xp, g, x):
    """g * x / |x|, and 0 at 0; g is real where x is complex."""
    return xp.astype(g, x.dtype, copy=False) * xp.sign(x)


def sign_cotangent(xp, g, y, x):
    """0 for real x; x / |x| of complex x turns with x: the part of g across y, divided by |x|, and 0 at 0."""
    if not xp.isdtype(x.dtype, "complex floating"):
        return xp.zeros_like(g)
    size = xp.abs(x)
    along = xp.real(xp.conj(y) * g)
    return xp.where(size == 0, 0, (g - along * y) / xp.where(size == 0, 1, size))


def within(xp, x, low, high):
    """True where clipping leaves `x` as it is; the bounds themselves count as inside."""
    inside = xp.ones_like(x, dtype=xp.bool)
    if low is not None:
        inside = inside & (x >= low)
    if high is not None:
        inside = inside & (x <= high)
    return inside


def below(xp, x, low, high):
    """True where clipping gives `low`; where the bounds contradict each other it gives `high`."""
    return x < low if high is None else (x < low) & (low <= high)


def above(xp, x, low, high):
    """True where clipping gives `high`, the other way round."""
    return x > high if low is None else (x > high) | (low > high)


# choice: the branch not taken gets exactly 0, whatever its value
where = General(
    None,
    lambda xp, g, _y, c, _a, _b: fit(xp, xp.where(c, g, 0), _a),
    lambda xp, g, _y, c, _a, _b: fit(xp, xp.where(c, 0, g), _b),
)

maximum.masks = minimum.masks = clip.masks = where.masks = True

# complex numbers
real = General(lambda xp, g, _y, _x: xp.astype(g, _x.dtype))
imag = General(lambda xp, g, _y, _x: imaginary_cotangent(xp, g, _x.dtype))
conj = General(lambda xp, g, _y, _x: xp.conj(g))


def imaginary_cotangent(xp, g, dtype):
    """g as an imaginary part; a real number has the constant 0 as its."""
    return xp.astype(g, dtype) * 1j if xp.isdtype(dtype, "complex floating") else xp.zeros_like(g)


# results without derivative
equal, not_equal = Constant(), Constant()
less, less_equal, greater, greater_equal = Constant(), Constant(), Constant(), Constant()
logical_and, logical_or, logical_xor, logical_not = Constant(), Constant(), Constant(), Constant()
bitwise_and, bitwise_or, bitwise_xor, bitwise_invert = Constant(), Constant(), Constant(), Constant()
bitwise_left_shift, bitwise_right_shift = Constant(), Constant()
isfinite, isinf, isnan, signbit = Constant(), Constant(), Constant(), Constant()
