"""Masked language models: loading one, and a `Trainer` for rows of several pieces."""

import inspect

import numpy as np
import torch
import transformers
from transformers import PrinterCallback, ProgressCallback, Trainer

from ner_data import InputError
from ner_data.bundled import model_path
from ner_data.labels import IGNORED
from ner_model.batching import own_batches
from ner_model.checkpoints import VerifiedCheckpoints
from ner_model.interruptions import Interruptible
from ner_model.load import SCRATCH
from ner_model.packed_text import RowBatches, collate_rows, scored_places
from ner_model.precision import bf16_between_products

# that of the feed-forward is left at 0: it took 4% of a step of fine-tuning and brought nothing (benchmarks/README.md)
DROPOUTS = ("attention_dropout", "embedding_dropout", "classifier_dropout")


def load_masked_lm(name, tokenizer, flags, say=print):
    """A masked language model in float32: for `scratch` a ModernBERT of random weights whose layers all look at the
    whole piece, or one from the Hub or a directory.

    (For millions of subwords a BERT knows how frequent subwords are and little else; benchmarks/README.md has both
    after 20 minutes.)

    Attention is SDPA where there is a CUDA GPU, the plain one elsewhere: on a CPU the backward pass of torch's fused
    kernel takes longer (4 x 256, 64 rows of 128 on two cores: 0.81 s a step against 0.66 s, medians of ten steps, one
    run each).

    Raises:
        InputError: it cannot be loaded, its attention takes no mask of pairs, or its tokenizer has no mask token.
    """
    if tokenizer.mask_token_id is None:
        raise InputError(f"--model {name}: its tokenizer has no mask token; use a masked language model such as BERT")
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    if name == SCRATCH:
        config = transformers.ModernBertConfig(
            vocab_size=len(tokenizer),
            hidden_size=flags.hidden_size,
            num_hidden_layers=flags.layers,
            num_attention_heads=flags.hidden_size // 64,
            intermediate_size=flags.hidden_size * 8 // 3 // 32 * 32,  # three matrices with the weights of BERT's two
            max_position_embeddings=flags.max_length,
            global_attn_every_n_layers=1,
            **dict.fromkeys(DROPOUTS, 0.1),  # for those who fine-tune it: here nothing is dropped
            pad_token_id=tokenizer.pad_token_id,
            **dict.fromkeys(("bos_token_id", "cls_token_id"), tokenizer.cls_token_id),
            **dict.fromkeys(("eos_token_id", "sep_token_id"), tokenizer.sep_token_id),
        )
        return transformers.AutoModelForMaskedLM.from_config(config, attn_implementation=attention)
    try:
        model, loading = transformers.AutoModelForMaskedLM.from_pretrained(
            model_path(name),
            dtype=torch.float32,
            attn_implementation=attention,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # the libraries raise a dozen types here, bare Exception among them
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"--model {name}: cannot be loaded ({type(error).__name__}: {reason})") from None
    if not model._supports_sdpa:  # DeBERTa multiplies its embeddings by the mask
        raise InputError(f"--model {name}: {type(model).__name__} cannot keep a row's paragraphs apart; use another")
    if missing := sorted(loading["missing_keys"]):
        say(f"--model {name}: {len(missing)} weights are not in its files and begin at random, such as {missing[0]}")
    return model


class MaskedTrainer(Interruptible, VerifiedCheckpoints, Trainer):
    """`Trainer` for rows of several pieces: no attention between pieces, scores for masked subwords only.

    The loss is the cross-entropy summed over masked subwords and divided by their number over all accumulation steps
    and processes. Raises InputError for a model that cannot take rows of several pieces, or not keep them apart.
    """

    def __init__(self, model, *args, **kwargs):
        super().__init__(model, *args, compute_loss_func=self._mean_loss, **kwargs)
        for callback in (ProgressCallback, PrinterCallback):
            self.remove_callback(callback)
        self.batch_shape = None  # (rows, length)
        self.scored = None  # int64 (n,): the places in the flattened batch that are scored
        self.wanted = None  # int64 (n,): the subwords behind the masks, -100 where nothing is wanted
        layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
        if layers and hasattr(getattr(layers[-1], "attention", None), "output"):
            # BERT and its kin: what follows the last attention works on each position for itself
            layers[-1].attention.output.register_forward_pre_hook(self._gather_attended)
        else:  # others: at least the head does
            model.base_model.register_forward_hook(self._gather_encoded)
        if isinstance(model.base_model, transformers.ModernBertModel):
            model.base_model.layers[-1].mlp.register_forward_pre_hook(lambda module, args: self._at_scored(args[0]))
            model.base_model.layers[-1].mlp.register_forward_hook(self._put_back)
        accepted = inspect.signature(model.forward).parameters
        self.takes_positions = "position_ids" in accepted
        padding = [module.padding_idx for name, module in model.named_modules() if name.endswith("position_embeddings")]
        self.first_position = padding[0] + 1 if padding and padding[0] is not None else 0
        self.additive = model.config._attn_implementation == "eager"
        config = model.config.get_text_config()
        is_local = "sliding_attention" in (getattr(config, "layer_types", None) or ())
        self.window = config.sliding_window if is_local else None  # how far to each side the local layers look
        self._try_out(model)
        bf16_between_products(model)

    def _at_scored(self, hidden):
        """hidden: (rows, length, width) -> (1, n, width), at the places that are scored."""
        return hidden.flatten(0, 1).index_select(0, self.scored).unsqueeze(0)

    def _gather_attended(self, module, args):
        return tuple(map(self._at_scored, args))

    def _gather_encoded(self, module, args, output):
        output.last_hidden_state = self._at_scored(output.last_hidden_state)
        return output

    def _put_back(self, module, args, output):
        """(1, n, width) -> (rows, length, width), 0 where nothing is scored."""
        whole = output.new_zeros(self.batch_shape.numel(), output.shape[-1])
        return whole.index_copy(0, self.scored, output[0]).view(*self.batch_shape, -1)

    def _try_out(self, model):
        """Two rows without a loss, which differ in the pieces around the middle one: refuse models that cannot take
        them, such as ESM and MobileBERT, and those where the middle one's scores differ too, such as BART. Let
        `_cross_entropy` do the output layer's work where the model hands on as it is what that layer gives.
        """
        decoder, training, mark = model.get_output_embeddings(), model.training, torch.zeros(())
        linear = isinstance(decoder, torch.nn.Linear)
        rows = {
            "input_ids": [[0, 1, 2, 1, 0], [3, 1, 2, 1, 3]],
            "segment": [[1, 2, 2, 2, 3]] * 2,
            "position_ids": [[0, 0, 1, 2, 0]] * 2,
            "labels": [[IGNORED, 1, 2, 1, IGNORED]] * 2,
        }
        model.eval()
        rows["scored"], rows["wanted"] = scored_places(np.array(rows["labels"]))
        inputs = self._model_inputs({name: torch.tensor(row, device=model.device) for name, row in rows.items()})
        del inputs["labels"]
        try:
            with torch.no_grad():
                one, other = model(**inputs).logits[0][:6].chunk(2)
                if (one - other).abs().max() > 1e-4 * one.abs().max():
                    raise ValueError("the scores of one depend on the others")
                if linear:
                    decoder.forward = lambda hidden: mark
                    handed_on = model(**inputs).logits
        except (RuntimeError, ValueError, TypeError, AttributeError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"--model: {type(model).__name__} cannot keep a row's paragraphs apart ({reason}); use another"
            ) from None
        model.train(training)
        if linear and handed_on is mark:
            decoder.forward = self._cross_entropy
        elif linear:
            del decoder.forward

    def _cross_entropy(self, hidden):
        """In place of scores (1, n, vocabulary): the cross-entropy summed over masked subwords, a scalar."""
        decoder = self.accelerator.unwrap_model(self.model).get_output_embeddings()
        return ScoredInChunks.apply(hidden[0], decoder.weight, decoder.bias, self.wanted, torch.is_grad_enabled())

    def get_train_dataloader(self):
        """This process's share of all rows."""
        args, rows = self.args, self.train_dataset
        size = self._train_batch_size * args.world_size
        return own_batches(self, rows, RowBatches(len(rows), size, args.seed, args.process_index, args.world_size))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return super().compute_loss(model, self._model_inputs(inputs), return_outputs, num_items_in_batch)

    def _model_inputs(self, batch):
        """A batch of `collate_rows` as the model takes it: attention allowed inside a segment only.

        A model with local layers (ModernBERT) takes a mask for each kind of layer: a single one it would use in all.
        """
        segment = batch["segment"]
        allowed = {"full_attention": segment[:, None, :, None] == segment[:, None, None, :]}
        if self.window is not None:
            index = torch.arange(segment.shape[1], device=segment.device)
            near = (index[:, None] - index).abs() <= self.window
            allowed["sliding_attention"] = allowed["full_attention"] & near
        if self.additive:
            low = torch.bfloat16 if self.args.bf16 else torch.float32
            for kind, mask in allowed.items():
                allowed[kind] = torch.zeros_like(mask, dtype=low).masked_fill_(~mask, torch.finfo(low).min)
        self.scored, self.wanted, self.batch_shape = batch["scored"], batch["wanted"], segment.shape
        mask = allowed["full_attention"] if self.window is None else allowed
        inputs = {"input_ids": batch["input_ids"], "attention_mask": mask, "labels": batch["labels"]}
        if self.takes_positions:
            inputs["position_ids"] = batch["position_ids"] + self.first_position
        return inputs

    def held_out_loss(self, rows):
        """Mean cross-entropy in nats per masked subword of `PackedRows`, without dropout. Each process computes all.

        Raises `TrainingStopped` where memory runs out.
        """
        self.model.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        with self._memory(), torch.no_grad(), self.compute_loss_context_manager():
            for begin in range(0, len(rows), self.args.per_device_eval_batch_size):
                numbers = range(begin, min(begin + self.args.per_device_eval_batch_size, len(rows)))
                batch = self._prepare_inputs(collate_rows([rows[k] for k in numbers]))
                inputs = self._model_inputs(batch)
                labels = inputs.pop("labels")
                count = int((labels != IGNORED).sum())
                loss = self._mean_loss(self.model(**inputs), labels, 1)
                sums += torch.tensor([float(loss), count], dtype=torch.float64)
        return float(sums[0] / sums[1])

    def _mean_loss(self, outputs, labels, num_items_in_batch=None):
        """Mean cross-entropy of masked subwords. labels: (rows, length).

        `outputs["logits"]` is what `_cross_entropy` sums, a scalar, or scores: (1, n, vocabulary).
        """
        loss = outputs["logits"]
        if loss.ndim:
            loss = torch.nn.functional.cross_entropy(loss[0].float(), self.wanted, reduction="sum")
        return loss / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


class ScoredInChunks(torch.autograd.Function):
    """Output layer and cross-entropy in one, some rows at a time: scores stay in the cache, and no copy of all is kept.

    hidden: (n, width); weight: (vocabulary, width); bias: (vocabulary,) or None; wanted: (n,) int64, -100 where a row
    does not count. Gives the sum of the cross-entropies in nats, float32, a scalar. Products are in autocast's type
    where it is on. Gradients are those of softmax minus one-hot, kept in that type (the idea:
    https://arxiv.org/abs/2410.10989, section 3.2).
    """

    ROWS = 128

    @staticmethod
    def forward(ctx, hidden, weight, bias, wanted, backward_follows):
        """The sum; shapes as the class says. The slopes are kept only where `backward_follows`."""
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
        h, w = hidden.to(dtype), weight.to(dtype)
        b = torch.zeros(len(w), dtype=dtype, device=w.device) if bias is None else bias.to(dtype)
        total = torch.zeros((), device=h.device)
        slope = torch.empty(len(h), len(w), dtype=dtype, device=h.device) if backward_follows else None
        for begin in range(0, len(h), ScoredInChunks.ROWS):
            part = slice(begin, begin + ScoredInChunks.ROWS)
            ignored, right = wanted[part, None] == IGNORED, wanted[part, None].clamp(min=0)
            log_likelihood = torch.log_softmax(torch.addmm(b, h[part], w.t()).float(), -1)
            total -= log_likelihood.gather(1, right).masked_fill(ignored, 0).sum()
            if backward_follows:
                slope[part] = log_likelihood.exp_().scatter_add_(1, right, -torch.ones_like(right, dtype=torch.float32))
                slope[part].masked_fill_(ignored, 0)
        ctx.save_for_backward(slope, h, w)
        ctx.types = hidden.dtype, weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    def backward(ctx, gradient):
        """Gradients of hidden, weight and bias from that of the sum, a scalar."""
        slope, h, w = ctx.saved_tensors
        of_hidden, of_weight, of_bias = ctx.types
        return (
            (slope @ w).to(of_hidden) * gradient.to(of_hidden),
            (slope.t() @ h).to(of_weight) * gradient,
            None if of_bias is None else (slope.t() @ slope.new_ones(len(slope))).to(of_bias) * gradient,
            None,
            None,
        )
