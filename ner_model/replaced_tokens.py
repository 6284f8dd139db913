"""Replaced-token detection: a masked language model that learns from every subword, not from the masked ones alone.

Clark et al. 2020 (ELECTRA, https://arxiv.org/abs/2003.10555), in the variant that begins with a trained masked language
model: a copy of it, frozen, is the generator.
"""

import copy

import torch

from ner_data.labels import IGNORED
from ner_model.masked_lm import MaskedTrainer, masked_loss, summed_cross_entropy

# of a judged subword in the loss, where a guessed one has 1: with a fifth of the words masked and a quarter of them
# left so, the means of both losses are to each other about as in ELECTRA, 50 to 1
DETECTION_WEIGHT = 2.5


class ReplacedTrainer(MaskedTrainer):
    """A share of the masked words is filled in with what the model, as it began, draws for them.

    At all subwords but the still masked ones the model says whether this is the original (binary cross-entropy, weight
    `DETECTION_WEIGHT`), at those which one it was (cross-entropy, as in `MaskedTrainer`, so that it stays a masked
    language model). The sum of both is divided by the number of masked subwords, filled in or not, over all
    accumulation steps and processes. Where the model does not learn it is a `MaskedTrainer`.

    `model.detector`, two layers on top of the encoder, learns to judge and is in the checkpoints; whoever saves the
    model when training is over takes it away first.

    Args:
        model: a masked language model.
        share: of the masked words, to fill in: above 0, below 1.
        args, kwargs: as for `Trainer`.
    """

    def __init__(self, model, share, *args, **kwargs):
        generator = copy.deepcopy(model).eval().requires_grad_(False)
        width = model.config.hidden_size
        model.detector = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.GELU(), torch.nn.Linear(width, 1))
        super().__init__(model, *args, **kwargs)
        self.compute_loss_func = self._both_losses
        self.share = share
        self.filled = None  # (rows, length) bool: what the generator fills in
        self.still_masked = None  # (subwords,) bool: which of the subwords that are no padding
        self.replaced = None  # (subwords,) bool: which of them are not the original
        self.judgement = None  # (subwords,) floats: the higher, the less each seems to be the original
        self.generator = generator.to(self.args.device)
        self.generator.base_model.register_forward_hook(self._gather_filled)
        model.base_model.register_forward_hook(self._judge)

    def _gather_filled(self, module, args, output):
        output.last_hidden_state = output.last_hidden_state[self.filled].unsqueeze(0)
        return output

    def _judge(self, module, args, output):
        if self.still_masked is None:
            return output
        encoded = output.last_hidden_state[0]
        self.judgement = self.model.detector(encoded)[:, 0]
        output.last_hidden_state = encoded[self.still_masked].unsqueeze(0)
        return output

    def _model_inputs(self, batch):
        inputs = super()._model_inputs(batch)
        self.still_masked = None
        if not self.model.training:
            return inputs
        ids, labels, drawn = batch["input_ids"], batch["labels"], self.gather
        run = (drawn & ~torch.nn.functional.pad(drawn, (1, 0))[:, :-1]).cumsum(1)  # masked words that touch are one
        self.filled = drawn & (torch.rand(drawn.shape, device=drawn.device).gather(1, run) < self.share)
        with torch.no_grad(), self.accelerator.autocast():
            scores = self.generator(**{name: value for name, value in inputs.items() if name != "labels"}).logits[0]
        guessed = ids.clone()
        guessed[self.filled] = draw(scores)
        original = torch.where(drawn, labels, ids)
        labels = torch.where(self.filled, IGNORED, labels)
        self.gather = batch["segment"] > 0
        self.wanted = labels[labels != IGNORED]
        self.still_masked = (labels != IGNORED)[self.gather]
        self.replaced = (guessed != original)[self.gather]
        return {**inputs, "input_ids": guessed, "labels": labels}

    def _both_losses(self, outputs, labels, num_items_in_batch=None):
        """As the class says. labels: (rows, length), those of the words still masked."""
        if self.still_masked is None:
            return masked_loss(outputs, labels, num_items_in_batch)
        judged = ~self.still_masked
        detection = torch.nn.functional.binary_cross_entropy_with_logits(
            self.judgement[judged].float(), self.replaced[judged].float(), reduction="sum"
        )
        loss = summed_cross_entropy(outputs, labels) + DETECTION_WEIGHT * detection
        return loss / (self.filled.sum() + len(self.wanted) if num_items_in_batch is None else num_items_in_batch)


def draw(scores):
    """One number per row, each as probable as softmax says: (rows, numbers) -> int64 (rows,).

    On a CPU by inversion, in a tenth of the time of `torch.multinomial`.
    """
    shares = scores.float().softmax(-1)
    if shares.device.type != "cpu":
        return torch.multinomial(shares, 1)[:, 0]
    cumulated = shares.cumsum(-1)
    at = torch.rand(len(shares), 1) * cumulated[:, -1:]
    return torch.searchsorted(cumulated, at, right=True)[:, 0].clamp(max=shares.shape[-1] - 1)
