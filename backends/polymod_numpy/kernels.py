"""The operations that NumPy's engine implements itself, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    attention,
    basic,
    batchnorm,
    convolution,
    fold,
    neural,
    normalization,
    optim,
    pooling,
    recurrent,
    resampling,
    special,
)

kernels: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(basic.sum, basic.mean, basic.max, basic.min),
        *(basic.matmul, basic.linear, basic.linear_weight_back, basic.linear_bias_back),
        *(basic.clip, basic.relu, basic.relu_back, basic.leaky_relu, basic.masked),
        *(basic.softmax, basic.softmax_back, basic.log_softmax),
        *(neural.erf, neural.gelu, neural.gelu_slope, neural.masked_softmax),
        *(neural.sigmoid, neural.silu, neural.silu_slope),
        *(neural.cross_entropy, neural.cross_entropy_back, neural.embedding_back),
        *(attention.long_attention, attention.long_attention_back),
        *(convolution.conv, convolution.conv_input_back, convolution.conv_weight_back),
        *(fold.im2col, fold.col2im),
        *(pooling.max_pool, pooling.max_pool_back, pooling.max_pool_positions),
        *(pooling.sum_pool, pooling.sum_pool_back),
        *(normalization.layer_norm, normalization.layer_norm_back),
        *(normalization.rms_norm, normalization.rms_norm_back, normalization.group_norm, normalization.group_norm_back),
        *(batchnorm.moments, batchnorm.batch_norm, batchnorm.batch_norm_back),
        *(batchnorm.channel_affine, batchnorm.channel_affine_back),
        *(recurrent.rnn, recurrent.rnn_back, recurrent.lstm, recurrent.lstm_back),
        *(recurrent.gru, recurrent.gru_back),
        resampling.resample,
        *(optim.sgd_step, optim.sgd_steps, optim.adam_step, optim.adam_steps),
    )
} | special.kernels
