"""`--patience`: stop when evaluations no longer get better."""

from tqdm.auto import tqdm
from transformers import EarlyStoppingCallback


def early_stopping(patience):
    """The callbacks for `--patience`: none if it is None."""
    return [] if patience is None else [EarlyStopping(patience)]


class EarlyStopping(EarlyStoppingCallback):
    """transformers' `EarlyStoppingCallback(patience)`, and a line when it stops.

    `patience` is evaluations in a row without a new best. How much of it is left comes back with a checkpoint
    (`ner_model.interruptions`).
    """

    def on_train_end(self, args, state, control, **kwargs):
        if self.early_stopping_patience_counter >= self.early_stopping_patience and state.is_world_process_zero:
            if state.best_metric is None:  # resumed where it had stopped, and the best checkpoint is damaged
                best = "the best checkpoint is lost, the model of this epoch is used"
            else:
                best = f"best {args.metric_for_best_model} {state.best_metric:.4f}"
            tqdm.write(
                f"early stopping after epoch {state.epoch:.2f} of {state.num_train_epochs:g}: {best}, --patience"
                f" {self.early_stopping_patience}"
            )
