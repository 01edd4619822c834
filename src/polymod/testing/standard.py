"""The names of the array API standard, version 2025.12, that an engine's namespace has to have."""

from __future__ import annotations

FUNCTIONS = {
    "elementwise": """abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift
        bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor
        floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal log log10 log1p log2
        logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal
        positive pow real reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh trunc""",
    "creation": """arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril
        triu zeros zeros_like""",
    "data_types": "astype can_cast finfo iinfo isdtype result_type",
    "indexing": "take take_along_axis",
    "linear_algebra": "matmul matrix_transpose tensordot vecdot",
    "manipulation": """broadcast_arrays broadcast_shapes broadcast_to concat expand_dims flip moveaxis permute_dims
        repeat reshape roll squeeze stack tile unstack""",
    "searching": "argmax argmin count_nonzero nonzero searchsorted where",
    "sets": "isin unique_all unique_counts unique_inverse unique_values",
    "sorting": "argsort sort",
    "statistics": "cumulative_prod cumulative_sum max mean min prod std sum var",
    "utilities": "all any diff",
    "linalg": """cholesky cross det diagonal eig eigh eigvals eigvalsh inv matmul matrix_norm matrix_power matrix_rank
        matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm""",
    "fft": """fft fftfreq fftn fftshift hfft ifft ifftn ifftshift ihfft irfft irfftn rfft rfftfreq rfftn""",
}
EXTENSIONS = ("linalg", "fft")
CONSTANTS = "e inf nan newaxis pi".split()
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()
OPERATORS = """abs add and bool complex eq float floordiv ge getitem gt index int invert le lshift lt matmul mod mul ne
    neg or pos pow rshift sub truediv xor radd rsub rmul rtruediv rpow""".split()

# Signed and unsigned integers, floating numbers: within each, an operation gives the wider of its operands' dtypes; of
# a signed and an unsigned integer a signed one that holds both.
PROMOTIONS = [
    *((a, b, max(a, b, key=lambda d: int(d[3:]))) for a in DTYPES[1:5] for b in DTYPES[1:5]),
    *((a, b, max(a, b, key=lambda d: int(d[4:]))) for a in DTYPES[5:9] for b in DTYPES[5:9]),
    *((i, u, f"int{max(int(i[3:]), 2 * int(u[4:]))}") for i in DTYPES[1:5] for u in DTYPES[5:8]),
    *((a, b, "float64" if "float64" in (a, b) else "float32") for a in DTYPES[9:11] for b in DTYPES[9:11]),
    *((a, b, "complex128" if "complex128" in (a, b) else "complex64") for a in DTYPES[11:] for b in DTYPES[11:]),
    ("float32", "complex64", "complex64"),
    ("float64", "complex64", "complex128"),
    ("float32", "complex128", "complex128"),
]
