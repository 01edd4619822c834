"""The models as functions of a dict of weights, for the libraries that have functions and no modules.

`o` gives what these libraries spell differently: relu, softmax, gelu, layer_norm, conv, batch_norm, max_pool, halved
and the losses. Names of the weights are those of the modules.
"""

from __future__ import annotations

from functools import partial
from typing import Any


def dense(p: Any, name: str, x: Any) -> Any:
    return x @ p[name + ".weight"].T + p[name + ".bias"]


def mlp(o: Any, p: Any, x: Any) -> Any:
    return dense(p, "out", o.relu(dense(p, "hidden", x)))


def narrow(o: Any, p: Any, x: Any) -> Any:
    for i in range(0, len(p), 2):  # every other module is a ReLU, and each Linear has two parameters
        x = o.relu(dense(p, str(i), x))
    return x


def chimera(o: Any, p: Any, x: Any) -> Any:
    x = o.relu(dense(p, "0.net.2", o.relu(dense(p, "0.net.0", x))))
    x = dense(p, "1", dense(p, "0.linear", x))
    x = o.relu(dense(p, "2.linear", x) @ p["2.rand_weight"] + 1)
    return o.halved(dense(p, "2.linear", x))


def block(o: Any, p: Any, x: Any, heads: int = 4) -> Any:
    n, length, size = x.shape
    h = o.layer_norm(x, p["norm1.weight"], p["norm1.bias"])
    h = h @ p["self_attn.in_proj_weight"].T + p["self_attn.in_proj_bias"]
    h = h.reshape((n, length, 3, heads, size // heads)).transpose((2, 0, 3, 1, 4))
    q, k, v = h[0], h[1], h[2]
    h = o.softmax(q @ k.transpose((0, 1, 3, 2)) * (size // heads) ** -0.5) @ v
    x = x + dense(p, "self_attn.out_proj", h.transpose((0, 2, 1, 3)).reshape((n, length, size)))
    h = o.layer_norm(x, p["norm2.weight"], p["norm2.bias"])
    return x + dense(p, "linear2", o.gelu(dense(p, "linear1", h)))


def cnn(o: Any, p: Any, x: Any) -> Any:
    def convolution(i: int, x: Any) -> Any:
        x = o.conv(x, p[f"features.{i}.weight"])
        return o.relu(o.batch_norm(x, p[f"features.{i + 1}.weight"], p[f"features.{i + 1}.bias"]))

    x = o.max_pool(convolution(0, x))
    x = o.max_pool(convolution(7, convolution(4, x)))
    return dense(p, "out", o.relu(dense(p, "hidden", x.reshape((x.shape[0], -1)))))


def model_of(workload: Any) -> Any:
    """The function of a workload's model: `(o, weights, x) -> output`."""
    model = MODELS[workload.model]
    return partial(model, heads=workload.arguments["nhead"]) if workload.model == "block" else model


MODELS = {"mlp": mlp, "narrow": narrow, "chimera": chimera, "block": block, "cnn": cnn}


def loss(o: Any, kind: str, output: Any, y: Any) -> Any:
    if kind == "sum":
        return output.sum()
    if kind == "cross_entropy":
        return o.cross_entropy(output, y)
    return ((output - y) ** 2).mean()


def start(optimizer: tuple[str, dict] | None, p: dict) -> dict:
    """The optimizer's state before the first step, for arrays `p`."""
    if optimizer is None or optimizer == ("SGD", {"lr": optimizer[1]["lr"]}):
        return {}
    zeros = {k: v * 0 for k, v in p.items()}
    return {"m": zeros} if optimizer[0] == "SGD" else {"t": 0, "m": zeros, "v": {k: v * 0 for k, v in p.items()}}


def update(optimizer: tuple[str, dict], p: dict, g: dict, s: dict) -> tuple[dict, dict]:
    """New parameters and state: SGD with or without momentum, Adam, AdamW with torch's defaults."""
    name, options = optimizer
    lr = options["lr"]
    if name == "SGD":
        if "momentum" not in options:
            return {k: p[k] - lr * g[k] for k in p}, s
        m = {k: options["momentum"] * s["m"][k] + g[k] for k in p}
        return {k: p[k] - lr * m[k] for k in p}, {"m": m}
    t = s["t"] + 1
    m = {k: 0.9 * s["m"][k] + 0.1 * g[k] for k in p}
    v = {k: 0.999 * s["v"][k] + 0.001 * (g[k] * g[k]) for k in p}
    size, root = lr / (1 - 0.9**t), (1 - 0.999**t) ** 0.5
    decay = 1 - lr * 0.01 if name == "AdamW" else 1.0
    return {k: decay * p[k] - size * (m[k] / (v[k] ** 0.5 / root + 1e-8)) for k in p}, {"t": t, "m": m, "v": v}
