"""Dropout on a CPU without the wait: torch draws its masks one number at a time, in one thread.

Of a training step of a 4 x 256 BERT on two cores that was 15% (`benchmarks/bench_train.py profile`). Here four
elements share one 64-bit random number: the same distribution but for p, which is rounded to a multiple of 2^-16. The
numbers come from torch's generator, so seeds and checkpoints work as ever.
"""

import contextlib

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "sdpa_quick_dropout"
LARGE = 2**19  # elements of a mask; those of a step of 32 sentences are smaller with narrow encoders, mostly


def keep(shape, p):
    """Which elements stay under dropout: int16 of `shape`, 0 with probability `p` (a multiple of 2^-16), else 1.

    Not bool: to compare into a type of another size, and to convert a bool, takes torch several times as long.
    """
    words = torch.empty(-(-shape.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    numbers = words.view(torch.int16)[: shape.numel()].view(shape)
    return numbers.ge_(round(p * 65536) - 32768)


def pack(mask):
    """A mask of `keep` in an eighth of a byte an element: int16 (elements / 16,), those of equal place in a sixteenth
    of the mask together."""
    sixteenths = mask.view(16, -1)
    packed = sixteenths[0].clone()
    for bit in range(1, 16):
        packed.add_(sixteenths[bit], alpha=1 << bit if bit < 15 else -(1 << 15))
    return packed


def unpack(packed, shape):
    """The mask of `shape` that `pack` was given."""
    sixteenths = packed.new_empty(16, len(packed))
    for bit in range(16):
        torch.bitwise_right_shift(packed, bit, out=sixteenths[bit])
    return sixteenths.bitwise_and_(1).view(shape)


class Drop(torch.autograd.Function):
    """`drop(hidden, p)`: what `keep` keeps of `hidden`, over 1 - p.

    The mask stays for the gradient: packed where it is of more than `LARGE` elements, else as it is, which is faster.
    """

    @staticmethod
    def forward(ctx, hidden, p):
        ctx.scale = 65536 / (65536 - round(p * 65536))
        mask = keep(hidden.shape, p)
        ctx.packed = mask.numel() > LARGE and mask.numel() % 16 == 0
        ctx.save_for_backward(pack(mask) if ctx.packed else mask)
        return mask.to(hidden.dtype).mul_(ctx.scale).mul_(hidden)

    @staticmethod
    def backward(ctx, gradient):
        (mask,) = ctx.saved_tensors
        mask = unpack(mask, gradient.shape) if ctx.packed else mask
        return mask.to(gradient.dtype).mul_(ctx.scale).mul_(gradient), None


drop = Drop.apply


class QuickDropout(torch.nn.Dropout):
    """`torch.nn.Dropout` with masks from `keep`."""

    def forward(self, hidden):
        if not self.training or not 0 < self.p < 1:
            return super().forward(hidden)
        return drop(hidden, self.p)


def attention_with_quick_dropout(
    module, query, key, value, attention_mask, dropout=0.0, scaling=None, is_causal=None, position_bias=None, **kwargs
):
    """SDPA, and where there is dropout its definition with masks from `keep`, but for decoders (GPT-2), relative
    positions (T5), shared keys and masks that are added, which are SDPA's own.

    torch has no fused kernel for SDPA with dropout on a CPU and falls back to the same products. Shapes as for every
    function of transformers' `AttentionInterface`: query, key, value (windows, heads, tokens, head size).
    """
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal  # counts where there is no mask
    is_plain = position_bias is None and getattr(module, "num_key_value_groups", 1) == 1
    is_plain = is_plain and (attention_mask is None or attention_mask.dtype == torch.bool)  # LayoutLM's is added
    if not dropout or not is_plain or (causal and attention_mask is None):
        more = {"is_causal": is_causal, "position_bias": position_bias, **kwargs}
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **more)
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:  # True where attention is allowed
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1).to(value.dtype)
    return (drop(weights, dropout) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, attention_with_quick_dropout)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


@contextlib.contextmanager
def quick_dropout(model):
    """Let a model that is trained on a CPU drop out by `keep` while this lasts; attention too if it is plain SDPA."""
    modules = [module for module in model.modules() if type(module) is torch.nn.Dropout]
    attention = model.config._attn_implementation == "sdpa"
    for module in modules:
        module.__class__ = QuickDropout
    if attention:
        model.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        for module in modules:
            module.__class__ = torch.nn.Dropout
        if attention:
            model.set_attn_implementation("sdpa")
