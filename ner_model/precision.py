"""bf16 where the hardware is made for it, and what that hardware is."""

import math
import os

from ner_data.text_file import counted


def choose_precision(asked, refused, use_cpu=False):
    """Whether to train in bf16, and why, in a few words.

    The order: what the flags say, what `accelerate launch` says, what the hardware is made for. bf16 without hardware
    for it (an older CPU emulates it) is slower than fp32, so it is never the default there. Nor is bf16 on Intel CPUs
    since Sapphire Rapids (known by avx512_fp16) if AMX is hidden, as by a virtual machine. Measured on one, 2 cores:
    products of 899 x 768 x 3072 at 148 GFLOP/s in bf16, 282 in fp32; training and serving follow (benchmarks/README.md
    has the training). On AMD's, bf16 runs at twice the rate of fp32.

    Args:
        asked: `--bf16` or `--fp16` was given.
        refused: why bf16 is out of the question, in words, or None.
        use_cpu: whatever GPU there is.

    Returns:
        bool, str.
    """
    import torch

    launcher = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if refused:
        return False, f"fp32, {refused}"
    if asked:
        return False, "as the flags ask"
    if launcher != "no":
        return launcher == "bf16", f"{launcher}, as accelerate asks"
    if "ACCELERATE_MIXED_PRECISION" in os.environ and _launcher_was_told():
        return False, "fp32, as accelerate asks"
    if torch.cuda.is_available() and not use_cpu:
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return True, "bf16, this GPU has it"
        return False, "fp32, this GPU has no bf16"
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("amx_bf16"):
        return True, "bf16, this CPU has amx_bf16"
    if capabilities.get("bf16") or capabilities.get("sve_bf16"):  # ARM
        return False, "fp32, bf16 was not measured on this CPU (--bf16 true turns it on)"
    if not capabilities.get("avx512_bf16"):
        return False, "fp32, this machine has no bf16 arithmetic"
    if capabilities.get("avx512_fp16") and str(capabilities.get("cpu_name")).startswith("Intel"):
        return False, "fp32, on an Intel CPU without amx_bf16 it is faster than bf16"
    return True, "bf16, this CPU has avx512_bf16"


def _launcher_was_told():
    """Whether somebody chose the launcher's precision: it writes `no` into the environment also when nobody did."""
    import psutil
    from accelerate.commands.config.config_args import default_config_file

    levels = 2 if os.name == "nt" else 1  # in a virtual environment on Windows the parent is a second python.exe
    command = [word for parent in psutil.Process().parents()[:levels] for word in parent.cmdline()]
    told = any(word.startswith(("--mixed_precision", "--mixed-precision", "--config_file")) for word in command)
    return told or os.path.isfile(default_config_file)


def hardware(args):
    """What `TrainingArguments` train on and how many of it, in words."""
    import torch

    if args.device.type == "cuda":
        return f"{torch.cuda.get_device_name()} x {args.world_size}"
    if args.device.type != "cpu":
        return f"{args.device.type} x {args.world_size}"
    cpu = torch.cpu.get_capabilities().get("cpu_name", "CPU")
    return f"{cpu}, {counted(torch.get_num_threads(), 'thread')} x {args.world_size}"


def bf16_between_products(model, widest=math.inf):
    """Where autocast is on a CPU's bf16, let what a model computes between its products be bf16 too: half the bytes.

    There autocast converts what goes into a product, and the sum of its output and of what bypasses it is fp32 again.
    The output of the embeddings is converted, and all that follows keeps its type. (On a GPU, autocast's norms are fp32
    whatever they are given.) Without autocast, nothing changes.

    Args:
        model: one with a module called `embeddings` that gives one tensor; others (LiLT's gives two) stay as they are.
        widest: and no wider than this (`hidden_size`).
    """
    import torch

    def halve(module, args, output):
        is_bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        on_cpu = isinstance(output, torch.Tensor) and output.device.type == "cpu"
        return output.bfloat16() if is_bf16 and on_cpu else output

    embeddings = [module for name, module in model.named_modules() if name.rpartition(".")[2] == "embeddings"]
    if embeddings and getattr(model.config, "hidden_size", math.inf) <= widest:
        embeddings[0].register_forward_hook(halve)
