"""A saved model's `model.onnx` behind onnxruntime, and its tokenizer, without torch and without transformers."""

import hashlib
import json
import mmap
import os
from contextlib import nullcontext
from pathlib import Path

from ner_data import InputError
from ner_data.windows import put_spaces_before_words

MODEL = "model.onnx"
PIP = "pip install onnx onnxruntime onnxscript"  # the last is torch's: exporting needs it, running does not
WEIGHTS_HASH, MAX_LENGTH, PRECISION = "ner_weights_sha256", "ner_max_length", "ner_precision"  # in the file's metadata
NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json", MODEL)


BATCH = 1024  # subwords in a batch, padding included: measured on a CPU, larger ones only add padding


class OnnxModel:
    """What `ner_eval.recognizer` needs of a model.

    Args:
        name: a directory, or a name on the Hub.

    Raises:
        InputError: onnxruntime is not installed, the model has no `model.onnx`, it was made from other weights than
            those beside it, or cannot be loaded.

    Attributes:
        tokenizer: `WordTokenizer`.
        limit: subwords in a window at most.
        precision: "fp32" or "int8", and the runtime's version.
        batch_subwords: in a batch at most.
    """

    batch_subwords = BATCH

    def __init__(self, name):
        try:
            import onnxruntime
        except ImportError:
            raise InputError(f"--runtime onnx: onnxruntime is not installed; {PIP}") from None
        directory = Path(name) if os.path.isdir(name) else _download(name)
        for file in NEEDED:
            if not (directory / file).is_file():
                fetch = "" if os.path.isdir(name) else f"hf download {name} --local-dir DIR; "
                place = name if os.path.isdir(name) else "DIR"
                raise InputError(
                    f"--model {name}: no {file} in it; {fetch}python -m ner_eval.onnx_export --model {place}"
                )
        check_weights(directory)
        options = onnxruntime.SessionOptions()
        threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # a list is for nested teams
        options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0  # 0: all cores
        try:
            self.session = onnxruntime.InferenceSession(directory / MODEL, options, ["CPUExecutionProvider"])
            facts = self.session.get_modelmeta().custom_metadata_map
            self.limit = int(facts[MAX_LENGTH])
        except Exception as error:  # onnxruntime has a dozen types of its own
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"--model {name}: {MODEL} cannot be loaded ({type(error).__name__}: {reason})") from None
        self.precision = f"{facts[PRECISION]}, onnxruntime {onnxruntime.__version__}"
        self.tokenizer = WordTokenizer(directory)

    def computing(self):
        """Around the batches of a block: nothing to do."""
        return nullcontext()

    def forward(self, input_ids, attention_mask):
        """int64 arrays (windows, subwords) -> logits, float32 array (windows, subwords, labels)."""
        return self.session.run(["logits"], {"input_ids": input_ids, "attention_mask": attention_mask})[0]


class WordTokenizer:
    """A directory's tokenizer.json as `ner_data.windows` calls a tokenizer: words in, `input_ids` out."""

    def __init__(self, directory):
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        put_spaces_before_words(self.tokenizer)
        settings = {}
        for name in ("special_tokens_map.json", "tokenizer_config.json"):  # older models have the first alone
            path = directory / name
            stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            settings |= {key: value for key, value in stored.items() if value is not None}
        if not settings.get("pad_token"):
            raise InputError(f"{directory}: its tokenizer_config.json names no pad_token; save the tokenizer again")
        for name in ("unk", "mask", "pad"):
            token = settings.get(f"{name}_token")
            token = token.get("content") if isinstance(token, dict) else token
            setattr(self, f"{name}_token_id", None if token is None else self.tokenizer.token_to_id(token))

    def __call__(self, words, *, add_special_tokens=True, **_):
        """Words of a sentence, or of many, -> {"input_ids": ids, or a list of them}."""
        if words and isinstance(words[0], str):
            return {"input_ids": self.tokenizer.encode(words, is_pretokenized=True,
                                                       add_special_tokens=add_special_tokens).ids}  # fmt: skip
        encoded = self.tokenizer.encode_batch(words, is_pretokenized=True, add_special_tokens=add_special_tokens)
        return {"input_ids": [one.ids for one in encoded]}


def weights_hash(directory):
    """SHA-256 of a directory's `model.safetensors`, or None where there is none."""
    path = Path(directory) / "model.safetensors"
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_weights(directory):
    """Raise InputError if a directory's `model.onnx` was made from other weights than those beside it."""
    path = Path(directory) / MODEL
    if not path.is_file() or path.stat().st_size == 0 or (expected := weights_hash(directory)) is None:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data.rfind(expected.encode()) < 0:
            raise InputError(f"{path}: made from other weights than model.safetensors; delete it, or make it again")


def remove_stale_onnx(directory, say=print):
    """Remove a directory's `model.onnx` if it was made from other weights than those beside it, and say so."""
    try:
        check_weights(directory)
    except InputError:
        os.remove(Path(directory) / MODEL)
        say(f"{directory}: removed {MODEL}, which an earlier model was exported to")


def _download(name):
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=[*NEEDED, "special_tokens_map.json"]))
    except Exception as error:  # see ner_model.load.load_tokenizer
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"--model {name}: cannot be fetched ({type(error).__name__}: {reason})") from None
