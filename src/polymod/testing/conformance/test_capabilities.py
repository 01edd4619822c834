"""The backend tells the truth about what its engine can do."""

from __future__ import annotations

import numpy as np
import pytest

import polymod as pm
from polymod.testing.arrays import same, there
from polymod.testing.compare import allowed


def test_mutable(engine: pm.Device) -> None:
    """x[i] = v writes in place, or is refused."""
    x = there(np.zeros(3, np.float32), engine)
    if engine.backend.capabilities.mutable:
        x[1] = 2.0
        same(x, np.array([0, 2, 0], np.float32), engine)
    else:
        with pytest.raises(Exception, match=r".+"):
            x[1] = 2.0
        same(x, np.zeros(3, np.float32), engine)


def test_host_access(engine: pm.Device) -> None:
    """np.asarray shares an array's memory, or is refused; on the default device it is as the backend says."""
    x = there(np.arange(4, dtype=np.float32), engine)
    try:
        seen = np.asarray(x)
    except Exception:
        default = engine.native == engine.backend.devices()[0]
        assert not (default and engine.backend.capabilities.host_access), "np.asarray fails: host_access is not so"
        return
    assert engine.backend.capabilities.host_access, "np.asarray copies to the host unasked, or host_access is so"
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, [0, 1, 2, 3])
    assert np.shares_memory(seen, np.asarray(x)), "np.asarray copies"


@pytest.mark.parametrize("dtype", ["float64", "complex64", "complex128"])
def test_dtypes(dtype: str, engine: pm.Device) -> None:
    """float64 and complex numbers are computed with and come back as such, or the backend says that they can't."""
    claimed = allowed(engine, dtype)
    host = np.array([1 + 2**-40, -2], dtype)
    try:
        x = there(host, engine)
        back = engine.backend.to_numpy(x + x)
    except Exception as error:
        lacking = dtype not in pm.__array_namespace_info__().dtypes(device=engine)
        assert not claimed or lacking, f"the backend claims {dtype}, but: {error}"
        return
    works = back.dtype == dtype and np.array_equal(back, host + host)
    assert works or not claimed, f"the backend claims {dtype}; 2 * {host} gave {back} ({back.dtype})"
