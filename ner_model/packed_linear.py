"""Linear layers whose weights lie as oneDNN multiplies them, while a model on a CPU is not trained.

`torch.nn.functional.linear` brings the weights into that order anew for every product (benchmarks/README.md has what
that costs). The operators are those that torch's own compiler writes for models with frozen weights
(`torch/_inductor/fx_passes/mkldnn_fusion.py`).
"""

import contextlib
import platform

import torch

from ner_model.interruptions import is_out_of_memory


def can_pack(dtype):
    """Whether packed weights of this type pay here: on x86 with oneDNN, bf16 if the CPU has it.

    In fp32, torch multiplies with MKL where it has it, which is Intel's and quick on Intel's CPUs: packing was measured
    on AMD's alone, and is for CPUs that are not Intel's.
    """
    if platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available():
        return False
    if not hasattr(torch.ops.mkldnn, "_reorder_linear_weight") or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    if dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    is_intel = str(torch.cpu.get_capabilities().get("cpu_name")).startswith("Intel")
    return dtype == torch.float32 and not is_intel


class PackedLinear(torch.nn.Module):
    """`torch.nn.Linear` with packed weights, without gradients. In bf16 its outputs are the same bits.

    Args:
        linear: what it stands for; later changes of its weights do not show here.
        dtype: what it computes in and returns, as autocast would: torch.bfloat16 or torch.float32.
    """

    def __init__(self, linear, dtype):
        super().__init__()
        self.in_features, self.out_features, self.dtype = linear.in_features, linear.out_features, dtype
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().to(dtype))
        self.bias = None if linear.bias is None else linear.bias.detach().to(dtype)

    @property
    def weight(self):
        """A copy of the weights in their usual order, for models that do not only call their layers."""
        return self.packed.to_dense()

    def forward(self, hidden):
        """(..., in_features), of any floating type -> (..., out_features)."""
        hidden = hidden.to(self.dtype)
        return torch.ops.mkldnn._linear_pointwise(hidden, self.packed, self.bias, "none", [], "")


def linear_layers(model):
    """(name, layer) of all that are `torch.nn.Linear` and no subclass of it."""
    return [(name, module) for name, module in model.named_modules() if type(module) is torch.nn.Linear]


def pack(model, dtype):
    """Put packed layers in the place of a model's linear ones, for good, where that pays. What they took before is free
    again, if it was not a mapped file."""
    for name, linear in linear_layers(model) if can_pack(dtype) else []:
        model.set_submodule(name, PackedLinear(linear, dtype))


@contextlib.contextmanager
def packed(model, dtype):
    """Let a model's linear layers compute with packed weights while this lasts, where that pays. The layers, their
    parameters and the state dict stay what they are; the packed copies take the weights' memory once more, and where
    there is not so much nothing is packed."""
    layers = [linear for _, linear in linear_layers(model)] if can_pack(dtype) else []
    try:
        stand_ins = [PackedLinear(linear, dtype) for linear in layers]
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        layers, stand_ins = [], []
    for linear, stand_in in zip(layers, stand_ins, strict=True):
        linear.forward = stand_in.forward
    try:
        yield
    finally:
        for linear in layers:
            del linear.forward
