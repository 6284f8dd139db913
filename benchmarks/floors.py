"""What this machine can do at most, and what a training step has to do at least."""

import time
from collections import Counter

import torch

# What AdamW's step in fp32 moves for each parameter, at 4 bytes: the weight is read in the forward and in the backward
# pass; the gradient is written, read for its norm and read for the update; weight and both moments are read and written
BYTES_A_PARAMETER = 4 * (2 + 3 + 2 + 4)
TRIAD = 2**26  # numbers in an array: 256 MiB, many times a cache


def device():
    """Where training happens."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seconds_each(function, least=0.3):
    """Seconds of a call of `function`, the mean over as many calls as take about `least` seconds."""

    def run(times):
        begin = time.perf_counter()
        for _ in range(times):
            function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - begin

    run(1)  # the first call also chooses and compiles kernels
    times = max(1, int(least / run(1)))
    return run(times) / times


def linear_layers(model):
    """How often each shape of a linear layer occurs in a model: a Counter of (inputs, outputs)."""
    modules = (module for module in model.modules() if isinstance(module, torch.nn.Linear))
    return Counter((module.in_features, module.out_features) for module in modules)


def matrix_rate(layers, rows, dtype):
    """Operations a second in the matrix products of training: outputs, gradients of inputs, gradients of weights.

    Args:
        layers: as `linear_layers` counts them; each shape is weighted with its number.
        rows: tokens in a batch.
        dtype: of all matrices.
    """
    operations = seconds = 0.0
    for (inputs, outputs), times in layers.items():
        x = torch.randn(rows, inputs, device=device()).to(dtype)
        weight = torch.randn(outputs, inputs, device=device()).to(dtype)
        gradient = torch.randn(rows, outputs, device=device()).to(dtype)
        pairs = ((x, weight.T), (gradient, weight), (gradient.T, x))
        seconds += times * sum(seconds_each(lambda a=a, b=b: a @ b) for a, b in pairs)
        operations += times * len(pairs) * 2 * rows * inputs * outputs
    return operations / seconds


def bandwidth():
    """Bytes a second between processor and memory: a sum of two arrays written into a third (STREAM's triad)."""
    a, b = (torch.ones(TRIAD, device=device()) for _ in range(2))
    c = torch.empty_like(a)
    return 3 * 4 * TRIAD / min(seconds_each(lambda: torch.add(a, b, alpha=2.0, out=c)) for _ in range(3))


def training_operations(model, lengths):
    """Operations in the matrix products of training on sentences once, without padding: forward and twice backward.

    A linear layer takes 2 operations a weight and token, attention 2 for each pair of tokens of a sentence, layer and
    hidden unit, twice: for the weights and for the sum.

    Args:
        model: a `PreTrainedModel`.
        lengths: int array (sentences,), tokens with the special ones.
    """
    weights = sum(inputs * outputs * times for (inputs, outputs), times in linear_layers(model).items())
    pairs = model.config.num_hidden_layers * model.config.hidden_size * int((lengths.astype(int) ** 2).sum())
    return 3 * (2 * weights * int(lengths.sum()) + 4 * pairs)


def step_bytes(model):
    """Bytes that a step has to move whatever its batch is: of weights, gradients and the state of AdamW."""
    return BYTES_A_PARAMETER * sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
