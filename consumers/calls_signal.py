"""scipy.signal, scipy.fft, scipy.ndimage."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace
from scipy import fft, ndimage, signal

from .table import Chapter, between, complex_normal, normal

calls = Chapter("scipy")
_x = normal(16)
_image = normal(6, 7)


def add_signal() -> None:
    """Filtering, spectra, and the analysis of filters."""
    for mode in ("full", "same", "valid"):
        calls(f"signal.convolve({mode})", lambda x, h, m=mode: signal.convolve(x, h, m, "direct"), _x, normal(5))
    calls("signal.convolve(fft)", lambda x, h: signal.convolve(x, h, method="fft"), _x, normal(5))
    calls("signal.fftconvolve", lambda x, h: signal.fftconvolve(x, h, mode="same"), _x, normal(5))
    calls("signal.fftconvolve(2-D)", lambda x, h: signal.fftconvolve(x, h), _image, normal(3, 2))
    calls("signal.fftconvolve(axes)", lambda x, h: signal.fftconvolve(x, h, axes=1), _image, normal(6, 2))
    calls("signal.fftconvolve(complex)", lambda x, h: signal.fftconvolve(x, h), complex_normal(7), complex_normal(4))
    calls("signal.oaconvolve", lambda x, h: signal.oaconvolve(x, h), normal(40), normal(4))
    calls("signal.oaconvolve(axes)", lambda x, h: signal.oaconvolve(x, h, axes=1), normal(2, 40), normal(2, 4))
    calls("signal.correlate", lambda x, h: signal.correlate(x, h, method="fft"), _x, normal(5))
    calls("signal.correlate(direct)", lambda x, h: signal.correlate(x, h, method="direct"), _x, normal(5))
    calls("signal.convolve2d", lambda x, h: signal.convolve2d(x, h), _image, normal(3, 2))
    calls("signal.hilbert", signal.hilbert, _x)
    calls("signal.hilbert(N)", lambda x: signal.hilbert(x, N=20), _x)
    calls("signal.hilbert(axis=0)", lambda x: signal.hilbert(x, axis=0), _image)
    calls("signal.hilbert2", signal.hilbert2, _image)
    calls("signal.envelope", lambda x: signal.envelope(x), _x)
    calls("signal.envelope(bp)", lambda x: signal.envelope(x, (1, 5), residual="all"), _x)
    calls("signal.detrend", signal.detrend, _x)
    calls("signal.detrend(constant)", lambda x: signal.detrend(x, type="constant", axis=0), _image)
    calls("signal.resample", lambda x: signal.resample(x, 12), _x)
    calls("signal.resample(up)", lambda x: signal.resample(x, 9, axis=0), _image)
    calls("signal.resample_poly", lambda x: signal.resample_poly(x, 3, 2), _x)
    calls("signal.upfirdn", lambda h, x: signal.upfirdn(h, x, 2), normal(4), _x)
    calls("signal.lfilter", lambda b, a, x: signal.lfilter(b, a, x), normal(3), np.asarray([1.0, 0.3]), _x)
    calls("signal.savgol_filter", lambda x: signal.savgol_filter(x, 5, 2), _x)
    calls("signal.wiener", lambda x: signal.wiener(x, 3), _x)
    calls("signal.medfilt", lambda x: signal.medfilt(x, 3), _x)
    calls("signal.freqz", lambda b, a: signal.freqz(b, a, worN=8), normal(3), np.asarray([1.0, 0.3]))
    calls("signal.freqz(fir)", lambda b: signal.freqz(b, worN=8)[1], normal(5))
    calls("signal.freqz(w)", lambda b, a, w: signal.freqz(b, a, worN=w)[1], normal(3), [1.0, 0.3], between(0, 3, 6))
    calls("signal.freqs", lambda b, a, w: signal.freqs(b, a, worN=w)[1], normal(3), normal(3), between(0.5, 3, 6))
    calls(
        "signal.freqz_zpk",
        lambda z, p, w: signal.freqz_zpk(z, p, 1.5, worN=w)[1],
        complex_normal(2),
        complex_normal(3),
        between(0.5, 3, 4),
    )
    calls("signal.freqs_zpk", lambda z, p: signal.freqs_zpk(z, p, 1.5, worN=8)[1], complex_normal(2), complex_normal(3))
    calls(
        "signal.freqz_sos",
        lambda b, a: signal.freqz_sos(_sections(b, a), worN=8)[1],
        normal(2, 3),
        normal(2, 2),
        tolerance=1e-6,
    )
    calls("signal.bilinear_zpk", lambda z, p: signal.bilinear_zpk(z, p, 1.5, 2.0), complex_normal(2), complex_normal(3))
    for kind in ("lp2lp", "lp2hp"):
        function = getattr(signal, kind + "_zpk")
        calls(f"signal.{kind}_zpk", lambda z, p, f=function: f(z, p, 1.5, 2.0), complex_normal(2), complex_normal(3))
    for kind in ("lp2bp", "lp2bs"):
        function = getattr(signal, kind + "_zpk")
        calls(
            f"signal.{kind}_zpk", lambda z, p, f=function: f(z, p, 1.5, 2.0, 0.5), complex_normal(2), complex_normal(3)
        )
        function = getattr(signal, kind)
        calls(f"signal.{kind}", lambda b, a, f=function: f(b, a, 2.0, 0.5), normal(3), normal(3))
    for kind in ("lp2lp", "lp2hp"):
        function = getattr(signal, kind)
        calls(f"signal.{kind}", lambda b, a, f=function: f(b, a, 2.0), normal(3), normal(3))
    calls("signal.bilinear", lambda b, a: signal.bilinear(b, a, 2.0), normal(3), normal(3))
    calls("signal.zpk2tf", lambda z, p: signal.zpk2tf(z, p, 1.5), complex_normal(2), complex_normal(3))
    calls("signal.zpk2tf(k)", lambda z, p, k: signal.zpk2tf(z, p, k), normal(2), normal(3), np.asarray(1.5))
    calls("signal.sos2tf", lambda b, a: signal.sos2tf(_sections(b, a)), normal(2, 3), normal(2, 2))
    calls("signal.normalize", signal.normalize, normal(3), normal(3))
    calls("signal.group_delay", lambda b: signal.group_delay((b, b[:1] * 0 + 1), w=8)[1], between(1, 2, 4))
    calls("signal.vectorstrength", lambda t: signal.vectorstrength(t, 1.3), between(0, 10, 8))
    calls("signal.deconvolve", signal.deconvolve, normal(7), between(1, 2, 3))
    calls("signal.minimum_phase", lambda h: signal.minimum_phase(h, method="homomorphic"), between(1, 2, 7))
    calls("signal.gauss_spline", lambda x: signal.gauss_spline(x, 3), _x)
    calls("signal.cspline1d", signal.cspline1d, _x)
    calls(
        "signal.abcd_normalize",
        lambda a, b, c, d: signal.abcd_normalize(a, b, c, d),
        normal(2, 2),
        normal(2, 1),
        normal(1, 2),
        normal(1, 1),
    )
    calls("signal.sosfilt", lambda sos, x: signal.sosfilt(sos, x), [[0.2, 0.3, 0.1, 1.0, 0.2, 0.1]], _x, wrt=(1,))


def _sections(b, a):
    xp = array_namespace(b)
    return xp.concat([b, xp.ones_like(b[:, :1]), a], axis=1)


def add_fft() -> None:
    """Fourier, cosine, sine and Hankel transforms."""
    z, zz = complex_normal(7), complex_normal(3, 4)
    calls("fft.fft", fft.fft, z)
    calls("fft.fft(real)", fft.fft, normal(7))
    calls("fft.fft(n, ortho)", lambda x: fft.fft(x, 9, axis=0, norm="ortho"), zz)
    calls("fft.ifft", lambda x: fft.ifft(x, 3), zz)
    calls("fft.fft2", fft.fft2, zz)
    calls("fft.ifft2", fft.ifft2, zz)
    calls("fft.fftn", lambda x: fft.fftn(x, (4, 3)), zz)
    calls("fft.ifftn", lambda x: fft.ifftn(x, axes=(0,), norm="forward"), zz)
    calls("fft.rfft", fft.rfft, normal(3, 6))
    calls("fft.rfft(odd)", lambda x: fft.rfft(x, 7, axis=0), normal(6, 2))
    calls("fft.irfft", lambda x: fft.irfft(x), complex_normal(2, 5))
    calls("fft.irfft(odd)", lambda x: fft.irfft(x, 7), complex_normal(4))
    calls("fft.rfft2", fft.rfft2, normal(4, 5))
    calls("fft.irfft2", fft.irfft2, complex_normal(3, 4))
    calls("fft.rfftn", fft.rfftn, normal(2, 4, 3))
    calls("fft.irfftn", fft.irfftn, complex_normal(2, 4, 3))
    calls("fft.hfft", fft.hfft, complex_normal(5))
    calls("fft.ihfft", fft.ihfft, normal(6))
    calls("fft.hfft2", fft.hfft2, complex_normal(3, 4))
    calls("fft.ihfft2", fft.ihfft2, normal(3, 4))
    calls("fft.fftshift", fft.fftshift, normal(3, 5))
    calls("fft.ifftshift", lambda x: fft.ifftshift(x, axes=1), normal(3, 5))
    calls("fft.fht", lambda a: fft.fht(a, dln=0.1, mu=0.5), between(0.5, 2, 8))
    calls("fft.ifht", lambda a: fft.ifht(a, dln=0.1, mu=0.5, offset=0.2, bias=0.1), between(0.5, 2, 8))
    for name in ("dct", "idct", "dst", "dctn"):
        calls(f"fft.{name}", getattr(fft, name), normal(6))


def add_ndimage() -> None:
    """Images; SciPy computes these in compiled code on the host."""
    calls("ndimage.gaussian_filter", lambda x: ndimage.gaussian_filter(x, 1.0), _image)
    calls("ndimage.convolve", lambda x, w: ndimage.convolve(x, w), _image, normal(3, 3))
    calls("ndimage.fourier_gaussian", lambda x: ndimage.fourier_gaussian(x, 1.0), _image)
    calls("ndimage.vectorized_filter", lambda x: ndimage.vectorized_filter(x, _mean, size=(3, 3)), _image)


def _mean(x, axis):
    return x.mean(axis=axis)


add_signal()
add_fft()
add_ndimage()
