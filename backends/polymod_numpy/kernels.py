"""The operations that NumPy's engine implements itself, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import basic, convolution, neural, normalization, optim, pooling, special

kernels: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(basic.sum, basic.mean, basic.max, basic.min),
        *(basic.matmul, basic.linear, basic.linear_weight_back, basic.linear_bias_back),
        *(basic.clip, basic.relu, basic.relu_back),
        *(basic.softmax, basic.softmax_back, basic.log_softmax),
        *(neural.erf, neural.gelu, neural.gelu_slope, neural.sigmoid, neural.masked_softmax),
        *(neural.cross_entropy, neural.cross_entropy_back, neural.embedding_back),
        *(convolution.conv, convolution.conv_input_back, convolution.conv_weight_back),
        *(pooling.max_pool, pooling.max_pool_back, pooling.sum_pool, pooling.sum_pool_back),
        *(normalization.layer_norm, normalization.layer_norm_back),
        *(normalization.moments, normalization.batch_norm, normalization.batch_norm_back),
        *(optim.sgd_step, optim.sgd_steps, optim.adam_step, optim.adam_steps),
    )
} | special.kernels
