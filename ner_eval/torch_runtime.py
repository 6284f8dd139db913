"""A saved model behind torch."""

from contextlib import contextmanager

import torch

from ner_model.load import SMALL, load_model, load_tokenizer, subword_limit
from ner_model.packed_linear import linear_layers, pack
from ner_model.precision import bf16_between_products, choose_precision

CPU_BATCH = 1024  # subwords in a batch, padding included: measured, larger ones only add padding
GPU_BATCH = 16384


class TorchModel:
    """The model on a CUDA GPU if there is one, in bf16 where the hardware is made for it.

    On a CPU in bf16, oneDNN keeps compiled kernels for each new length of text, up to 1,024 of them; where the memory
    of a long-lived process matters, ONEDNN_PRIMITIVE_CACHE_CAPACITY bounds them.

    Args:
        name: a directory, or a name on the Hub.
        names: its label names in the order of their ids.
        refused: why it is not to compute in bf16, in words, or None.
        use_cpu: whatever GPU there is.
        trust_remote_code: run code that comes with the model, read pickled weights.

    Raises:
        InputError: it cannot be loaded.

    Attributes:
        tokenizer: as `ner_model.load.load_tokenizer` gives it.
        limit: subwords in a window at most.
        batch_subwords: in a batch at most.
        bf16: whether it computes in bf16; `precision`: the same in words.
    """

    def __init__(self, name, names, refused=None, use_cpu=False, trust_remote_code=False):
        quiet = lambda line: None  # noqa: E731  training has said it
        self.tokenizer = load_tokenizer(name, [], trust_remote_code, quiet, as_saved=True)
        self.device = torch.device("cuda" if torch.cuda.is_available() and not use_cpu else "cpu")
        self.batch_subwords = GPU_BATCH if self.device.type == "cuda" else CPU_BATCH
        model = load_model(name, self.tokenizer, names, keep_head=True, trust_remote_code=trust_remote_code)
        self.model = model.eval().to(self.device)
        self.limit = subword_limit(self.tokenizer, self.model)
        self.bf16, self.precision = choose_precision(asked=False, refused=refused, use_cpu=use_cpu)
        if not self.bf16 and not self.precision.startswith("fp32"):
            self.precision = "fp32, fp16 is for training alone"
        bf16_between_products(self.model, SMALL)
        if self.bf16:  # what autocast would do again for each call: the same numbers
            for _, linear in linear_layers(self.model):
                linear.to(torch.bfloat16)
        if self.device.type == "cpu":
            pack(self.model, torch.bfloat16 if self.bf16 else torch.float32)

    @contextmanager
    def computing(self):
        """Around the batches of a block."""
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            yield

    def forward(self, input_ids, attention_mask):
        """int64 arrays (windows, subwords) -> logits, float32 array (windows, subwords, labels)."""
        ids, mask = (torch.from_numpy(array).to(self.device) for array in (input_ids, attention_mask))
        return self.model(input_ids=ids, attention_mask=mask).logits.float().cpu().numpy()
