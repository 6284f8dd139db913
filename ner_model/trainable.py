"""Which weights learn: all of them, the head alone, or LoRA adapters and the head."""

import functools
import os
import shutil
import warnings

from ner_data import InputError
from ner_data.text_file import counted
from ner_model.checkpoints import save_model

ADAPTER = "adapter"  # where in the run's directory the adapter lies, beside the merged model
ADAPTER_CONFIG = "adapter_config.json"
# Rank, alpha and dropout of PEFT's guide to token classification; on every linear layer of the encoder, which matters
# more than the rank (Dettmers et al. 2023, QLoRA, section 4).
RANK, ALPHA, DROPOUT = 16, 16, 0.1


def check_way(lora, head_only, scratch, resume_from):
    """Refuse ways to train that contradict each other, before anything is loaded.

    Args:
        lora, head_only: `--lora`, `--train_head_only`.
        scratch: the encoder has random weights.
        resume_from: the checkpoint to go on from, or None.

    Raises:
        InputError: both flags, LoRA on a random encoder, or a checkpoint of the other kind.
    """
    if lora and head_only:
        raise InputError("--lora, --train_head_only: two ways to train; give one of them")
    if lora and scratch:
        raise InputError("--lora: leaves the encoder as it is, and that of --model scratch is random; give a --model")
    if resume_from and lora != os.path.isfile(os.path.join(resume_from, ADAPTER_CONFIG)):
        fix = "leave --lora out" if lora else "give --lora"
        raise InputError(
            f"--resume_from_checkpoint {resume_from}: was trained {'without' if lora else 'with'} --lora; {fix}"
        )


def choose_weights(model, lora, head_only, say=print):
    """Let only those weights learn that the flags say.

    Args:
        model: a token classifier.
        lora, head_only: `--lora`, `--train_head_only`, not both.
        say: called with one line unless all weights learn.

    Returns:
        The model to train: the same, or for LoRA a `peft.PeftModel` around it.
    """
    if lora:
        model, what = add_lora(model), f"LoRA of rank {RANK} on the encoder's linear layers, and the head"
    elif head_only:
        freeze_encoder(model)
        what = "the head alone"
    else:
        return model
    say("training {:,} of {:,} parameters: {}".format(*count_parameters(model), what))
    return model


def count_parameters(model):
    """(parameters that learn, all parameters), the copy of the untrained head that PEFT keeps left out."""
    own = [p for name, p in model.named_parameters() if ".original_module." not in name]
    return sum(p.numel() for p in own if p.requires_grad), sum(p.numel() for p in own)


def describe_way(lora, head_only, class_weights, copies):
    """In words, for the model card: which weights learnt (the flags `--lora`, `--train_head_only`), the loss, and
    how many copies of each sentence (`ner_data.mentions`)."""
    parts = [f"LoRA of rank {RANK}, merged" if lora else "head alone" if head_only else "all weights"]
    if class_weights != "none":
        parts.append(f"{class_weights} class weights")
    if copies:
        parts.append(f"{counted(copies, 'copy', 'copies')} with other entities")
    return ", ".join(parts)


def freeze_encoder(model):
    """Let only the classification head learn.

    Args:
        model: a token classifier; its `base_model` gets `requires_grad=False` everywhere.

    Returns:
        As `count_parameters`.
    """
    model.base_model.requires_grad_(False)
    return count_parameters(model)


def add_lora(model):
    """Low-rank adapters (Hu et al. 2021) on every linear layer of the encoder; the head learns in full.

    Args:
        model: a token classifier. All that lies outside its `base_model` is its head: `classifier`, in ModernBERT
            `head` too.

    Returns:
        `peft.PeftModelForTokenClassification`.

    Raises:
        InputError: there are no such layers.
    """
    import peft
    import torch

    encoder = model.base_model_prefix
    head = [name for name, part in model.named_children() if name != encoder and list(part.parameters())]
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    targets = [name for name in linear if name.startswith(f"{encoder}.")]
    if not targets:  # GPT-2 has layers of its own kind
        raise InputError(f"--lora: {type(model).__name__} has no linear layers of torch; train without --lora")
    config = peft.LoraConfig(
        task_type=peft.TaskType.TOKEN_CLS,
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=DROPOUT,
        target_modules=targets,
        modules_to_save=head,
    )
    with warnings.catch_warnings():  # PEFT 0.21 asks transformers 5.23 for a name that it has renamed
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        adapted = peft.get_peft_model(model, config)
    config.target_modules = sorted(config.target_modules)  # a set would be saved in another order each time
    # Left to "auto", each checkpoint asks the Hub whether the vocabulary has grown; it never does here.
    adapted.save_pretrained = functools.partial(adapted.save_pretrained, save_embedding_layers=False)
    adapted.create_or_update_model_card = lambda directory: None  # a form with nothing filled in
    return adapted


def merge_lora(trainer):
    """Save the adapter of a finished LoRA training, and put the merged model into its place. After other ways, an
    adapter of an earlier run in the output directory goes.

    What is scored, saved and published from here on is the merged model. In float32 `W + (alpha / rank) B A` takes the
    place of two products, so its scores differ from those of the last epochs by rounding.

    Args:
        trainer: the `NerTrainer` after training. The main process writes `adapter/` in its output directory: weights,
            PEFT's configuration with the name of the base model, and the model's with the label maps.
    """
    model = trainer.model
    if not hasattr(model, "merge_and_unload"):
        if trainer.is_world_process_zero():
            shutil.rmtree(os.path.join(trainer.args.output_dir, ADAPTER), ignore_errors=True)
        return
    if trainer.is_world_process_zero():

        def write(directory):
            model.save_pretrained(directory)
            model.config.save_pretrained(directory)

        save_model(trainer, os.path.join(trainer.args.output_dir, ADAPTER), write)
    merged = model.merge_and_unload()
    trainer.model = merged  # as with other ways: what is compiled (--torch_compile) has other names for its weights
    trainer.model_wrapped = trainer.accelerator.prepare_model(merged, evaluation_mode=True)
