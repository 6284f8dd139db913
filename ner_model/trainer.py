"""NerTrainer: only what the stock Trainer gets wrong or does slowly for this task."""

import contextlib

import numpy as np
import torch
from accelerate import DistributedType
from torch.distributed.fsdp import StateDictType
from tqdm.auto import tqdm
from transformers import PrinterCallback, ProgressCallback, Trainer

from ner_data import InputError
from ner_data.labels import IGNORED, label_ids
from ner_model.batching import LongestFirst, WindowRows, own_batches, train_batches
from ner_model.checkpoints import VerifiedCheckpoints
from ner_model.dropout import quick_dropout
from ner_model.interruptions import Interruptible
from ner_model.load import SMALL
from ner_model.packed_linear import packed
from ner_model.precision import bf16_between_products, hardware

LABEL_NAMES = ["labels", "sentence", "first_word"]  # what a window hands over to evaluation beside its scores

ON_CPUS = (DistributedType.NO, DistributedType.MULTI_CPU)


class NerTrainer(Interruptible, VerifiedCheckpoints, Trainer):
    """`Trainer` with batches of similar length, and evaluation that returns words instead of subwords.

    Signals, memory and numbers: `Interruptible`; checkpoints: `VerifiedCheckpoints`.

    Pass `compute_loss_func=WordLoss(...)` and `TrainingArguments(label_names=LABEL_NAMES,
    eval_do_concat_batches=False)`. `predict` and `evaluate` then give, per batch, `predictions`: float32 (windows,
    words, labels), the log-probabilities of the words that each window owns, and `label_ids`: (gold (windows, words),
    sentence (windows,), first_word (windows,)); -100 is padding. `ner_data.windows.join_windows` puts them in order.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for callback in (ProgressCallback, PrinterCallback):
            self.remove_callback(callback)
        self.add_callback(EpochRows())
        if self.args.gradient_checkpointing and not self.model.supports_gradient_checkpointing:
            kind = self.model.config.model_type
            raise InputError(f"--gradient_checkpointing: models of the type {kind} have none; leave it out")
        bf16_between_products(self.model, SMALL)

    def train(self, *args, **kwargs):
        # not by where the model is: with FSDP it only moves to the GPU in there
        with quick_dropout(self.model) if self.args.device.type == "cpu" else contextlib.nullcontext():
            return super().train(*args, **kwargs)

    def create_accelerator_and_postprocess(self):
        """With FSDP, a unit is a layer of the encoder. Left to itself, accelerate 1.15 goes by `_no_split_modules`: it
        fails where embeddings are among them (BERT, RoBERTa, ModernBERT), and shards no layer where there are none."""
        super().create_accelerator_and_postprocess()
        if self.is_fsdp_enabled:
            layers = next(module for module in self.model.modules() if isinstance(module, torch.nn.ModuleList))
            self.model._no_split_modules = [type(layers[0]).__name__]
            kind = self.accelerator.state.fsdp_plugin.state_dict_type
            if kind != StateDictType.FULL_STATE_DICT:  # then Trainer saves no model at the end
                raise InputError(f"FSDP: {kind.name} saves no whole model; give FULL_STATE_DICT, as configs/fsdp.yaml")

    def get_train_dataloader(self):
        """This process's share of all batches."""
        rows = WindowRows(self._remove_unused_columns(self.train_dataset, description="training"))
        return own_batches(self, rows, train_batches(rows.lengths, self.args, self._train_batch_size))

    def _clip_grad_norm(self, model):
        """The stock one, but that on a CPU gradients which are short enough are not multiplied by 1: the same bytes."""
        if self.args.device.type != "cpu" or self.accelerator.distributed_type not in ON_CPUS:
            return super()._clip_grad_norm(model)
        weights, longest = list(model.parameters()), self.args.max_grad_norm
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
        if not longest / (norm + 1e-6) >= 1:  # what `clip_grads_with_norm_` multiplies by, up to 1; or no number
            torch.nn.utils.clip_grads_with_norm_(weights, longest, norm)
        return norm

    def _get_dataloader(self, dataset, description, *args, **kwargs):  # for evaluation
        rows = WindowRows(self._remove_unused_columns(dataset, description=description))
        return super()._get_dataloader(rows, description, *args, **kwargs)

    def _get_eval_sampler(self, eval_dataset):
        return LongestFirst(eval_dataset.lengths)

    def evaluation_loop(self, *args, **kwargs):
        in_bf16 = self.args.device.type == "cpu" and self.accelerator.mixed_precision == "bf16"
        with packed(self.model, torch.bfloat16) if in_bf16 else contextlib.nullcontext():
            return super().evaluation_loop(*args, **kwargs)

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """One batch: (no loss, scores of owned words, (gold, sentence, first_word)), shapes as the class says."""
        inputs = self._prepare_inputs(inputs)
        gold, sentence, first_word = (inputs.pop(name) for name in LABEL_NAMES)
        with torch.no_grad(), self.compute_loss_context_manager():
            logits = model(**inputs)["logits"]
        window, token = (gold != IGNORED).nonzero(as_tuple=True)
        place = (gold != IGNORED).cumsum(dim=1)[window, token] - 1
        words = int(place.max()) + 1 if len(place) else 0
        scores = torch.full((len(gold), words, logits.shape[-1]), float(IGNORED), device=logits.device)
        scores[window, place] = logits[window, token].float().log_softmax(dim=-1)
        word_gold = torch.full((len(gold), words), IGNORED, device=gold.device)
        word_gold[window, place] = gold[window, token]
        return None, scores, (word_gold, sentence, first_word)


def class_weights(how, sentence_table, names, say=print):
    """What a word's loss is multiplied by, for each gold label, so that rare labels count for more.

    "balanced" weights are n / (labels x count) (King & Zeng 2001; scikit-learn's "balanced"), damped to their fourth
    root (multilingual BERT smoothes its languages with a power much like it, 0.3), and scaled so that their mean over
    all training words is 1: the learning rate keeps its meaning. Undamped, one word of the rarest label outweighs
    thousands of others. What they cost and bring: benchmarks/README.md, `bench_ways.py`. With an earlier encoder and 3
    epochs the fourth root did better than the square root in strict and in macro F1 (0.774 and 0.758, 0.581 and 0.565).

    Args:
        how: one of `ner_model.arguments.CLASS_WEIGHTS`.
        sentence_table: the training sentences (`tags: list<string>`).
        names: label names in the order of their ids.
        say: called with one line unless there are no weights.

    Returns:
        float32 tensor (labels,), or None for "none". A label that no training word has gets 1, which nothing uses.
    """
    if how == "none":
        return None
    counts = np.bincount(label_ids(sentence_table, names), minlength=len(names))
    present = counts > 0
    weights = np.ones(len(names))
    weights[present] = counts[present] ** -0.25
    weights[present] *= counts.sum() / (counts * weights)[present].sum()
    least, most = (pick(np.flatnonzero(present), key=weights.__getitem__) for pick in (min, max))
    say(
        f"class weights: from {weights[least]:.2f} for {names[least]} ({counts[least]:,} training words) to"
        f" {weights[most]:.2f} for {names[most]} ({counts[most]:,}), 1 on average"
    )
    return torch.tensor(weights, dtype=torch.float32)


class WordLoss:
    """Cross-entropy summed over labelled words, divided by their number over all accumulation steps and processes.

    For `Trainer(compute_loss_func=...)`. Left to itself, Trainer of transformers 5 multiplies the loss of BERT and its
    kin by the number of accumulation steps and of processes (transformers#47688).

    Args:
        label_smoothing: share of the target spread evenly over all labels, as in `torch.nn.functional.cross_entropy`.
        weights: float32 (labels,), what each word's loss is multiplied by, by its gold label (`class_weights`), or
            None. The sum is divided by the number of words all the same, not by their weights, which would make the
            weight of a word depend on the words beside it in the batch.
    """

    def __init__(self, label_smoothing=0.0, weights=None):
        self.label_smoothing = label_smoothing
        self.weights = weights

    def __call__(self, outputs, labels, num_items_in_batch=None):
        """The loss of a batch, a scalar in nats a word; no number where no word is labelled.

        Args:
            outputs: `logits` of shape (windows, tokens, labels).
            labels: int64 (windows, tokens), -100 where no word begins that the window owns.
            num_items_in_batch: labelled words of the whole step, of all processes, or None for those of this batch.
        """
        logits, labels = outputs["logits"].float(), labels.view(-1)
        loss = torch.nn.functional.cross_entropy(
            logits.view(-1, logits.shape[-1]),
            labels,
            ignore_index=IGNORED,
            reduction="sum" if self.weights is None else "none",
            label_smoothing=self.label_smoothing,
        )
        if self.weights is not None:
            self.weights = self.weights.to(logits.device)
            loss = (self.weights[labels.clamp(min=0)] * loss).sum()  # the loss of what is no word is 0
        if num_items_in_batch is None:
            return loss / (labels != IGNORED).sum()
        return loss / num_items_in_batch


class EpochRows(ProgressCallback):
    """The stock progress bars, and a row per evaluation instead of a dict per log entry.

    `--disable_tqdm true` leaves the rows and takes the bars away.
    """

    COLUMNS = {"eval_loss": "val loss", "eval_accuracy": "accuracy", "eval_f1": "F1", "eval_macro_f1": "macro F1"}

    def __init__(self):
        super().__init__()
        self.train_loss = None
        self.header = True

    def on_train_begin(self, args, state, control, **kwargs):
        self.current_step = 0
        if not args.disable_tqdm:
            super().on_train_begin(args, state, control, **kwargs)

    def on_step_end(self, args, state, control, **kwargs):
        if self.training_bar is not None:
            super().on_step_end(args, state, control, **kwargs)

    def on_prediction_step(self, args, state, control, **kwargs):
        if not args.disable_tqdm:
            super().on_prediction_step(args, state, control, **kwargs)

    def on_train_end(self, args, state, control, **kwargs):
        if self.training_bar is not None:
            super().on_train_end(args, state, control, **kwargs)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.train_loss = logs["loss"]

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        super().on_evaluate(args, state, control, **kwargs)
        if not (state.is_world_process_zero and metrics and "eval_f1" in metrics):
            return
        if self.header:
            self.header = False
            tqdm.write("epoch  train loss  " + "  ".join(f"{name:>8}" for name in self.COLUMNS.values()))
        loss = "" if self.train_loss is None else f"{self.train_loss:.4f}"
        figures = "  ".join(f"{metrics[key]:8.4f}" for key in self.COLUMNS)
        tqdm.write(f"{state.epoch or 0:5.2f}  {loss:>10}  {figures}")


def training_facts(trainer):
    """How a finished training went: a dict for metrics.json, memory left out.

    `epochs` is what was asked for, None where `max_steps` was; `epochs_trained` what it came to. `seconds` and
    `train_loss` are of this process's steps alone, those after `resumed_at` where it was resumed.
    """
    args, state = trainer.args, trainer.state
    epoch = state.epoch or 0
    logged = {key: value for entry in state.log_history for key, value in entry.items()}
    figure = "eval_" + (args.metric_for_best_model or "f1").removeprefix("eval_")
    best = [e["epoch"] for e in state.log_history if figure in e and e[figure] == state.best_metric]
    best = best if trainer.is_chosen else []
    has_trained = state.global_step > trainer.begun_at  # else there is nothing to time
    return {
        "epochs": None if args.max_steps > 0 else args.num_train_epochs,
        "epochs_trained": int(epoch) if epoch == int(epoch) else round(epoch, 2),
        "steps": state.global_step,
        "resumed_at": trainer.begun_at or None,
        "best_epoch": best[0] if best else None,
        "learning_rate": args.learning_rate,
        "label_smoothing": args.label_smoothing_factor,
        "batch_size": args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
        "precision": {"no": "fp32"}.get(trainer.accelerator.mixed_precision, trainer.accelerator.mixed_precision),
        "hardware": hardware(args),
        "seconds": logged.get("train_runtime") if has_trained else None,
        "train_loss": logged.get("train_loss") if has_trained else None,
    }
