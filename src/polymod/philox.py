"""Counter-based random bits and what is made of them: pure functions of a seed and the number of a draw.

The generator is Philox 4x32 with 10 rounds (J. Salmon, M. Moraes, R. Dror, D. Shaw: "Parallel random numbers:
as easy as 1, 2, 3", SC11, 2011). It has no state: any word of any draw can be computed by itself, in any
order and on any device. An engine's kernel must give the same bits as `bits`, which is defined by

    key     = (seed & 0xFFFFFFFF, seed >> 32)
    counter = (block & 0xFFFFFFFF, block >> 32, draw & 0xFFFFFFFF, draw >> 32)
    word[4 * block + j] = philox4x32_10(counter, key)[j]        for j = 0..3

`word[i]` below is that sequence of 32-bit words; `pair[i]` is `word[2i] | word[2i + 1] << 32`, a 64-bit word.
Each function says which words its element i is made of (elements in C order). The host is little-endian.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

Shape = tuple[int, ...]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and sqrt(3) - 1, as fractions of 2**32
ROUNDS = 10
CHUNK = 16384  # blocks worked on at once: four buffers of 128 KiB stay in a core's second-level cache

_LOW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(0xFFFFFFFF00000000)
_M0, _M1 = (np.array(m, np.uint64) for m in MULTIPLIERS)  # 0-d arrays: cheaper operands than NumPy's scalars
_32 = np.array(32, np.uint64)
_SECOND_STREAM = np.uint64(1 << 63)  # blocks from here on hold the further bits of `bernoulli_mask`


def bits(seed: int, draw: int, count: int) -> np.ndarray:
    """The first `count` 32-bit words of draw number `draw`: element i is `word[i]`.

    Args:
        seed: 0 <= seed < 2**64.
        draw: 0 <= draw < 2**64; different draws share no counter.
        count: how many words.

    Returns:
        uint32 array of shape (count,).
    """
    blocks = -(-count // 4)
    out = np.empty((blocks, 2), np.uint64)
    buffers = np.empty((4, min(blocks, CHUNK)), np.uint64)
    for start in range(0, blocks, CHUNK):
        stop = min(start + CHUNK, blocks)
        index = np.arange(start, stop, dtype=np.uint64)
        _philox(index, seed, draw, buffers[:, : stop - start], out[start:stop])
    return out.reshape(-1).view(np.uint32)[:count]


def blocks_at(index: np.ndarray, seed: int, draw: int) -> np.ndarray:
    """The blocks of the given numbers: `index` is uint64 of shape (n,), the result uint32 of shape (n, 4)."""
    out = np.empty((index.size, 2), np.uint64)
    _philox(index, seed, draw, np.empty((4, index.size), np.uint64), out)
    return out.view(np.uint32)


def _philox(index: np.ndarray, seed: int, draw: int, buffers: np.ndarray, out: np.ndarray) -> None:
    """Write the blocks numbered `index` (n,) to `out` (n, 2), two words to a uint64; `buffers` is (4, n).

    A round is (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)). c0 and c2
    are kept in the low halves of uint64 arrays, c1 and c3 in the high halves: then one shift both takes the
    high half of `product ^ c1` and clears the rest, and every operation works in place on whole, contiguous
    arrays.
    """
    xor, multiply, left, right = np.bitwise_xor, np.multiply, np.left_shift, np.right_shift
    c0, c1, c2, c3 = buffers
    np.bitwise_and(index, _LOW, c0)
    np.bitwise_and(index, _HIGH, c1)
    c2[...] = draw & 0xFFFFFFFF
    c3[...] = draw & 0xFFFFFFFF00000000
    for k0, k1 in _round_keys(seed):
        xor(c1, k0, c1)
        xor(c3, k1, c3)
        multiply(c0, _M0, c0)
        multiply(c2, _M1, c2)
        xor(c1, c2, c1)
        xor(c3, c0, c3)
        right(c1, _32, c1)
        right(c3, _32, c3)
        left(c2, _32, c2)
        left(c0, _32, c0)
        c0, c1, c2, c3 = c1, c2, c3, c0
    np.bitwise_or(c0, c1, out[:, 0])
    np.bitwise_or(c2, c3, out[:, 1])


@lru_cache(maxsize=64)
def _round_keys(seed: int) -> list[list[np.ndarray]]:
    """The two key words of every round, shifted to the high halves of 0-d uint64 arrays."""
    key = (seed & 0xFFFFFFFF, seed >> 32)
    words = [[(k + r * step) % (1 << 32) for k, step in zip(key, KEY_STEPS, strict=True)] for r in range(ROUNDS)]
    return [[np.array(word << 32, np.uint64) for word in pair] for pair in words]


def uniform(
    seed: int, draw: int, shape: Shape, dtype: Any = np.float32, low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    """Evenly distributed numbers in [low, high).

    The fraction u is `(word[i] >> 8) * 2**-24` for float32, `(word[i] >> 21) * 2**-11` for float16 and
    `(pair[i] >> 11) * 2**-53` for float64, all exact. Other bounds than 0 and 1 give `low + (high - low) *
    u`, in float64 with each operation rounded, cast to `dtype`, and at most the largest number of `dtype`
    below `high`.

    Args:
        dtype: float16, float32 or float64.
        low, high: finite, low <= high.
    """
    dtype = np.dtype(dtype)
    count = math.prod(shape)
    if dtype == np.float64:
        u = _fractions(seed, draw, count, wide=True)
    else:
        kept = {2: 11, 4: 24}[dtype.itemsize]
        words = bits(seed, draw, count)
        words >>= 32 - kept
        u = words.view(np.int32).astype(np.float32)  # below 2**31; the signed conversion is the faster one
        u *= np.float32(2.0**-kept)
    if (low, high) == (0.0, 1.0):
        return u.astype(dtype, copy=False).reshape(shape)
    values = u.astype(np.float64, copy=False)
    values *= high - low
    values += low
    values = values.astype(dtype, copy=False)
    if low < high:
        np.minimum(values, largest_below(high, dtype), out=values)
    return values.reshape(shape)


def largest_below(high: float, dtype: np.dtype) -> Any:
    """The largest number of `dtype` below `high`."""
    end = dtype.type(high)  # may itself have been rounded up
    return end if float(end) < high else np.nextafter(end, dtype.type(-np.inf))


def normal(
    seed: int, draw: int, shape: Shape, dtype: Any = np.float32, mean: float = 0.0, std: float = 1.0
) -> np.ndarray:
    """Normally distributed numbers, by the method of G. Box and M. Muller (Ann. Math. Stat. 29, 1958).

    Elements 2i and 2i + 1 are `r cos(2 pi v)` and `r sin(2 pi v)` with `r = sqrt(-2 log(1 - u))`, times
    `std` plus `mean`, all in float64 and cast to `dtype` last. For float16 and float32, `u = word[2i] *
    2**-32` and `v = word[2i + 1] * 2**-32`; for float64, `u = (pair[2i] >> 11) * 2**-53` and `v = (pair[2i
    + 1] >> 11) * 2**-53`. The largest magnitude is 6.66 for the former and 8.57 for the latter. Another
    library's log, cos and sin may differ in the last bit of the float64 value; after rounding to float32
    that shows about once in 10**8 numbers.

    Args:
        dtype: float16, float32 or float64.
    """
    dtype = np.dtype(dtype)
    count = math.prod(shape)
    pairs = (count + 1) // 2
    uv = _fractions(seed, draw, 2 * pairs, wide=dtype == np.float64).reshape(pairs, 2)
    out = np.empty((pairs, 2), dtype)
    for start in range(0, pairs, CHUNK):
        u, v = uv[start : start + CHUNK].T
        radius = np.sqrt(-2.0 * np.log(1.0 - u)) * std
        angle = v * (2.0 * math.pi)
        out[start : start + CHUNK, 0] = radius * np.cos(angle) + mean
        out[start : start + CHUNK, 1] = radius * np.sin(angle) + mean
    return out.reshape(-1)[:count].reshape(shape)


def integers(seed: int, draw: int, low: int, high: int, shape: Shape, dtype: Any = np.int64) -> np.ndarray:
    """Evenly distributed integers in [low, high), by D. Lemire's multiplication without rejection.

    With `n = high - low`, element i is `low + (pair[i] * n >> 64)` where n <= 2**32 and
    `low + ((pair[2i] | pair[2i + 1] << 64) * n >> 128)` where n is larger. No probability is off from 1/n by
    more than 2**-64 (2**-128), that is 2**-32 (2**-64) of itself.

    Args:
        low, high: low < high.
        dtype: an integer dtype that holds low and high - 1.
    """
    n, count = high - low, math.prod(shape)
    if n <= 1 << 32:
        x = bits(seed, draw, 2 * count).view(np.uint64)
        factor = np.uint64(n)
        offset = ((x >> _32) * factor + ((x & _LOW) * factor >> _32)) >> _32
    else:
        x = bits(seed, draw, 4 * count).view(np.uint64).reshape(count, 2)
        lower, upper = x[:, 0], x[:, 1]
        if n == 1 << 64:
            offset = upper
        else:
            factor = np.uint64(n)
            middle = upper * factor
            carry = middle + _multiply_high(lower, factor) < middle  # the sum passed 2**64
            offset = _multiply_high(upper, factor) + carry
    offset = offset + np.uint64(low % (1 << 64))  # modulo 2**64, which two's complement undoes
    return offset.view(np.int64).astype(dtype).reshape(shape)


def _multiply_high(x: np.ndarray, n: np.uint64) -> np.ndarray:
    """The upper 64 bits of the 128-bit products `x * n`, x being uint64."""
    x0, x1 = x & _LOW, x >> _32
    n0, n1 = n & _LOW, n >> _32
    t = x1 * n0 + (x0 * n0 >> _32)
    return x1 * n1 + (t >> _32) + ((x0 * n1 + (t & _LOW)) >> _32)


def permutation(seed: int, draw: int, n: int) -> np.ndarray:
    """A random order of 0..n-1: the stable ascending argsort of `pair[0..n-1]`; int64 of shape (n,)."""
    return np.argsort(bits(seed, draw, 2 * n).view(np.uint64), kind="stable").astype(np.int64, copy=False)


def bernoulli_mask(seed: int, draw: int, shape: Shape, p: float) -> np.ndarray:
    """Independent truth values, each true with probability `p` rounded to a multiple of 2**-32.

    With `t = round(p * 2**32)`, element i is true where `half[i] < t >> 16`, `half[i]` being the lower 16
    bits of `word[i // 2]` for even i and the upper for odd i. Where they are equal (one in 65,536), it is
    true where the lower 16 bits of the first word of block `2**63 + i` are below `t & 0xFFFF`: a 32-bit
    comparison that nearly always needs 16 bits.

    Args:
        p: in [0, 1].

    Returns:
        bool array of `shape`.
    """
    count, t = math.prod(shape), threshold(p)
    if t in (0, 1 << 32):
        return np.full(shape, t > 0)
    half = bits(seed, draw, (count + 1) // 2).view(np.uint16)[:count]
    upper = np.uint16(t >> 16)
    mask = half < upper
    if t & 0xFFFF:
        ties = np.flatnonzero(half == upper)
        index = ties.astype(np.uint64) + _SECOND_STREAM
        further = blocks_at(index, seed, draw)[:, 0] & np.uint32(0xFFFF)
        mask[ties] = further < (t & 0xFFFF)
    return mask.reshape(shape)


def threshold(p: float) -> int:
    """What 32 random bits are below with probability `p`, rounded to a multiple of 2**-32."""
    return round(p * 2**32)


def _fractions(seed: int, draw: int, count: int, *, wide: bool) -> np.ndarray:
    """float64 in [0, 1): the upper 53 bits of `pair[i]` where `wide`, else the 32 bits of `word[i]`."""
    if not wide:
        return bits(seed, draw, count) * 2.0**-32
    pairs = bits(seed, draw, 2 * count).view(np.uint64)
    pairs >>= np.uint64(11)
    return pairs.view(np.int64) * 2.0**-53
