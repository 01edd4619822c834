"""JAX, on whatever devices it finds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polymod.backend import Backend, Capabilities

from .indexing import index, index_add, index_set
from .kernels import kernels
from .neural import kernels as neural_kernels
from .special import kernels as special_kernels

# The standard's int64, uint64, float64 and complex128 exist in JAX only with this flag; without it they
# become 32-bit types, with no more than a warning. It holds for the whole process.
jax.config.update("jax_enable_x64", True)


def devices() -> list[jax.Device]:
    found = list(jax.devices())
    if found[0].platform != "cpu":
        found += jax.devices("cpu")
    chosen = jax.config.jax_default_device
    if not isinstance(chosen, jax.Device):  # None, or the name of a platform
        chosen = next((d for d in found if d.platform == chosen), found[0])
    return sorted(found, key=lambda d: d != chosen)


def device_name(device: jax.Device) -> str:
    kind = str(device).partition(":")[0].lower()  # "cuda:0", where the platform is only "gpu"
    return f"{kind if kind in ('cuda', 'rocm') else device.platform}:{device.id}"


def device_of(x: jax.Array) -> Any:
    # Inside jax.jit an array has no device yet; it will be the current one.
    return devices()[0] if isinstance(x, jax.core.Tracer) else x.device


def to_numpy(x: jax.Array) -> np.ndarray:
    return np.array(x)


def from_numpy(x: np.ndarray, device: jax.Device) -> jax.Array:
    # On the CPU device_put may share the host's memory: of this copy, which nobody else holds.
    return jax.device_put(np.array(x), device)


def synchronize() -> None:
    for platform in {device.platform for device in devices()}:
        jax.block_until_ready(jax.live_arrays(platform))
    jax.effects_barrier()


backend = Backend(
    name="jax",
    xp=jnp,
    array_types=(jax.Array, jax.core.Tracer),  # the latter stand for arrays inside jax.jit
    devices=devices,
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    synchronize=synchronize,
    index_add=index_add,
    kernels={**kernels, **neural_kernels, **special_kernels, "index": index, "index_set": index_set},
    capabilities=Capabilities(mutable=False, host_access=all(d.platform == "cpu" for d in devices())),
    device_name=device_name,
    device_of=device_of,
    to_device=jax.device_put,
    version=jax.__version__,
)
