"""NerTrainer: only what the stock Trainer gets wrong or does slowly for this task."""

import torch
from tqdm.auto import tqdm
from transformers import PrinterCallback, ProgressCallback, Trainer

from ner_data.labels import IGNORED
from ner_model.batching import LengthBuckets, LongestFirst, window_lengths

LABEL_NAMES = ["labels", "sentence", "first_word"]  # what a window hands over to evaluation beside its scores


class NerTrainer(Trainer):
    """`Trainer` with batches of similar length, and evaluation that returns words instead of subwords.

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

    def _get_train_sampler(self, train_dataset=None):
        dataset = self.train_dataset if train_dataset is None else train_dataset
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return LengthBuckets(window_lengths(dataset), self._train_batch_size, seed)

    def _get_eval_sampler(self, eval_dataset):
        return LongestFirst(window_lengths(eval_dataset))

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


class WordLoss:
    """Cross-entropy summed over labelled words, divided by their number over all accumulation steps and processes.

    For `Trainer(compute_loss_func=...)`. Left to itself, Trainer of transformers 5 multiplies the loss of BERT and its
    kin by the number of accumulation steps and of processes (transformers#47688).

    Args:
        label_smoothing: share of the target spread evenly over all labels, as in `torch.nn.functional.cross_entropy`.
    """

    def __init__(self, label_smoothing=0.0):
        self.label_smoothing = label_smoothing

    def __call__(self, outputs, labels, num_items_in_batch=None):
        logits = outputs["logits"].float()
        loss = torch.nn.functional.cross_entropy(
            logits.view(-1, logits.shape[-1]),
            labels.view(-1),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        if num_items_in_batch is None:
            return loss / (labels != IGNORED).sum()
        # with DataParallel the number comes once per GPU, and the loss is then multiplied by the number of GPUs
        return loss / num_items_in_batch.sum()


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
    """How a finished training went: a dict for metrics.json, times in seconds, memory left out."""
    args, state = trainer.args, trainer.state
    logged = {key: value for entry in state.log_history for key, value in entry.items()}
    if args.device.type == "cuda":
        hardware = f"{torch.cuda.get_device_name()} x {args.world_size}"
    else:
        cpu = torch.cpu.get_capabilities().get("cpu_name", "CPU")
        hardware = f"{cpu}, {torch.get_num_threads()} threads x {args.world_size}"
    best = [e["epoch"] for e in state.log_history if e.get("eval_f1") is not None and e["eval_f1"] == state.best_metric]
    return {
        "epochs": args.num_train_epochs,
        "steps": state.global_step,
        "best_epoch": best[0] if best else None,
        "learning_rate": args.learning_rate,
        "batch_size": args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
        "precision": {"no": "fp32"}.get(trainer.accelerator.mixed_precision, trainer.accelerator.mixed_precision),
        "hardware": hardware,
        "seconds": logged.get("train_runtime"),
        "train_loss": logged.get("train_loss"),
    }
