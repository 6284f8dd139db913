"""Tokenizer and encoder: the bundled `mini`, a Hub name, a directory, or `scratch`."""

import collections
import importlib.util
import json
import os
import re
import shlex
import sys

from ner_data import InputError
from ner_data.bundled import model_path
from ner_data.windows import put_spaces_before_words, reads_words_as_running_text

SCRATCH = "scratch"
SMALL = 256  # an encoder as narrow as this or narrower, such as mini, wants a higher learning rate and more epochs
NO_LIMIT = 512  # subwords in a window where neither model nor tokenizer names a limit
TRUST = "give --trust_remote_code if you trust who made it"


def read_config(name, trust_remote_code=False, others=", or use --model mini"):
    """The `config.json` of a model, found and checked before anything heavy is imported or loaded.

    Args:
        name: `mini`, `scratch`, a directory, or a name on the Hub.
        trust_remote_code: load also what can run code that comes with the model; None: the program has no such flag.
        others: what may be given in place of a directory, for the message where the Hub is out of reach.

    Returns:
        The configuration as a dict; empty for `scratch`.

    Raises:
        InputError: a directory that cannot be read or has no configuration, a name that does not exist, a gated model,
            the Hub out of reach, an adapter without its model; without `trust_remote_code`, pickled weights or code of
            the model's own. The message names `--model` and what to do.
    """
    if name == SCRATCH:
        return {}
    name = model_path(name)
    if os.path.isdir(name):
        try:
            files = os.listdir(name)
        except OSError as error:
            raise InputError(f"--model {name}: cannot be read ({error.strerror}); check its permissions") from None
    else:
        files = _ask_hub(name, _files_on_hub, others)
    if "adapter_config.json" in files:
        raise InputError(
            f"--model {name}: an adapter, not a model; merge it into its model first (PEFT's merge_and_unload), or give"
            " the directory of the run that made it, where the merged model is"
        )
    if os.path.isdir(name) and "config.json" not in files:
        raise InputError(
            f"--model {name}: the directory has no config.json; give one that `save_pretrained` or this recipe wrote"
        )
    config = _read_json(name, "config.json")
    if not trust_remote_code:
        _refuse_code(name, files, config, "use another" if trust_remote_code is None else TRUST)
    return config


def _refuse_code(name, files, config, fix):
    """Raise InputError for a model that brings code, or weights in a format that can run code when it is read.

    An `auto_map` is refused also where transformers knows the `model_type`: without that code it would build another
    architecture of the same name, and load into it what fits.
    """
    for file, content in (("config.json", config), ("tokenizer_config.json", None)):
        if file in files and "auto_map" in (content or _read_json(name, file)):
            raise InputError(f"--model {name}: its {file} asks to run code of its own (auto_map); {fix}")
    safe = [file for file in ("model.safetensors", "model.safetensors.index.json") if file in files]
    weights = [config["transformers_weights"]] if config.get("transformers_weights") else []
    if safe == ["model.safetensors.index.json"]:
        weights += sorted(set(_read_json(name, *safe).get("weight_map", {}).values()))
    if not safe:
        weights += sorted(file for file in files if re.fullmatch(r"pytorch_model.*\.bin", file))
    pickles = [file for file in weights if not file.endswith((".safetensors", ".safetensors.index.json"))]
    if pickles:
        convert = ""
        if pickles == ["pytorch_model.bin"] and os.path.isdir(name):
            convert = f", or write them anew: {sys.executable} -c {shlex.quote(_CONVERT)} {shlex.quote(name)}"
        raise InputError(
            f"--model {name}: its weights are a pickle ({pickles[0]}), which can run code when read; {fix}{convert}"
        )


_CONVERT = (
    "import sys, torch; from safetensors.torch import save_file; d = sys.argv[1];"
    " w = torch.load(d + '/pytorch_model.bin', weights_only=True);"
    " save_file({k: v.contiguous().clone() for k, v in w.items()}, d + '/model.safetensors', {'format': 'pt'})"
)


def _read_json(name, file):
    """A JSON file of a model as a dict."""
    from huggingface_hub import hf_hub_download

    path = os.path.join(name, file) if os.path.isdir(name) else _ask_hub(name, lambda _: hf_hub_download(name, file))
    try:
        with open(path, encoding="utf-8") as opened:
            content = json.load(opened)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError) as error:
        raise InputError(f"--model {name}: its {file} cannot be read ({error}); save it again") from None
    return content


def _files_on_hub(name):
    """The files of a model on the Hub, by one request that is not repeated; none where safetensors are here already."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json")
    cached = os.listdir(os.path.dirname(config)) if isinstance(config, str) else []
    if any(file.startswith("model.safetensors") for file in cached):
        return cached
    try:
        return [file.rfilename for file in HfApi().model_info(name, timeout=10).siblings]
    except Exception:
        if cached:
            return cached
        raise


def _ask_hub(name, ask, others=""):
    """`ask(name)`; InputError for all that can go wrong."""
    from huggingface_hub import errors

    try:
        return ask(name)
    except errors.HFValidationError:
        fault = "no such directory, and not a name on the Hub (such as bert-base-cased or me/my-ner)"
    except errors.GatedRepoError:
        fault = "gated on the Hub; accept its terms on its page, then `hf auth login` or set HF_TOKEN"
    except errors.RepositoryNotFoundError:
        fault = "no such directory, and no such model on the Hub (a private one needs `hf auth login`)"
    except errors.RemoteEntryNotFoundError:
        fault = "has no config.json on the Hub; it is not a transformers model"
    except errors.HfHubHTTPError as error:
        fault = f"the Hub did not give its config.json ({str(error).strip().splitlines()[0]}); try again"
        if error.response.status_code == 401:
            fault = "the Hub refuses your token, which is wrong or has expired; `hf auth login`, or unset HF_TOKEN"
    except Exception:  # no connection, offline mode, a time-out: each library below has its own type for it
        fault = (
            "no such directory, and the Hub cannot be reached to look for it; check the network (or HF_HUB_OFFLINE),"
            f" give a directory{others}"
        )
    raise InputError(f"--model {name}: {fault}")


def label_order(names, config, say=print):
    """The label names in the order the model will use: those of a fine-tuned model are kept where they fit.

    Args:
        names: the label names of the data (`ner_data.labels.label_names`).
        config: the model's `config.json` as a dict.
        say: called with one line if the model brings labels of its own.

    Returns:
        label names, and whether the model's own classification head is to be used.

    Raises:
        InputError: the label maps of the model contradict each other.
    """
    if not any("ForTokenClassification" in a for a in config.get("architectures") or []):
        return names, False
    known = {int(i): label for i, label in (config.get("id2label") or {}).items()}
    back = config.get("label2id") or {}
    if sorted(known) != list(range(len(known))) or {label: i for i, label in known.items()} != back:
        raise InputError("--model: id2label and label2id in its config.json contradict each other; mend them there")
    known = [known[i] for i in range(len(known))]
    if foreign := [label for label in known if label != "O" and label[:2] not in ("B-", "I-")]:
        say(f"labels: of the model's own, {', '.join(foreign)} are not BIO; its head is replaced by a new one")
        return names, False
    if set(names) <= set(known):
        say(f"labels: the model's own {len(known)} cover the data's {len(names)}; they and its head are kept")
        return known, True
    unknown = [name for name in names if name not in known]
    say(f"labels: the model does not know {', '.join(unknown)}; its head is replaced by a new one")
    return names, False


def load_tokenizer(name, train_words, trust_remote_code=False, say=print, as_saved=False):
    """The tokenizer of a model, ready for words; for `scratch`, one learnt from the training words.

    Args:
        name: `mini`, `scratch`, a directory, or a name on the Hub.
        train_words: iterable of strings, the words of the training sentences (read for `scratch` only).
        trust_remote_code: run code that comes with the model.
        say: called with one line if characters of the words are left out (`scratch`), or if the tokenizer reads words
            given one by one otherwise than in running text.
        as_saved: the model has learnt from words already, so they are read as its files say.

    Returns:
        A fast tokenizer that pads: where there is no token for that, with the one for the end of a text.

    Raises:
        InputError: the model has no fast tokenizer, none that can be loaded, or one with neither of these tokens.
    """
    if name == SCRATCH:
        return learn_wordpiece(train_words, say=say)
    name = model_path(name)
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            name, add_prefix_space=True, trust_remote_code=trust_remote_code
        )
        if not as_saved and _lowers_by_mistake(name, tokenizer):
            say(f"--model {name}: its vocabulary has capitals, though its files do not say so: taken as cased")
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                name, add_prefix_space=True, trust_remote_code=trust_remote_code, do_lower_case=False
            )
    except Exception as error:  # the libraries raise a dozen types here, bare Exception among them
        reason = " ".join(str(error).split())[:200]
        fix = ""
        if "tiktoken" in reason and importlib.util.find_spec("sentencepiece") is None:  # what it fell back to
            fix = "; if it is SentencePiece's (spm.model): pip install sentencepiece protobuf"
        raise InputError(
            f"--model {name}: its tokenizer cannot be loaded ({type(error).__name__}: {reason}){fix}"
        ) from None
    if not tokenizer.is_fast:
        raise InputError(
            f"--model {name}: {type(tokenizer).__name__} is a slow tokenizer, without the link from words to subwords;"
            " use a model with a tokenizer.json"
        )
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):  # transformers 5 makes one up without a word
        raise InputError(f"--model {name}: has no tokenizer files; save the tokenizer beside the model")
    if tokenizer.pad_token_id is None:  # GPT-2 and its kin; the attention mask covers it, whatever it is
        if tokenizer.eos_token_id is None:
            raise InputError(f"--model {name}: its tokenizer has no token to pad with; set pad_token and save it again")
        tokenizer.pad_token = tokenizer.eos_token
    put_spaces_before_words(tokenizer.backend_tokenizer)
    if not reads_words_as_running_text(tokenizer.backend_tokenizer):
        repaired = None if as_saved else _prepend_spaces(name, tokenizer)
        if repaired is not None:
            return repaired
        say(f"--model {name}: its tokenizer takes a word given by itself for the end of a longer one, unlike in a text")
    return tokenizer


def _lowers_by_mistake(name, tokenizer):
    """Whether a tokenizer makes letters small that its vocabulary has: transformers' default for a BERT whose files do
    not say (of a cased one with a `vocab.txt` alone, such as older BioBERTs)."""
    if not getattr(tokenizer, "do_lower_case", False):
        return False
    for file in ("tokenizer_config.json", "tokenizer.json"):
        try:
            said = _read_json(name, file)
        except InputError:
            continue
        if "do_lower_case" in said or said.get("normalizer"):
            return False
    words = [word for word in tokenizer.get_vocab() if not re.fullmatch(r"\[.*\]|<.*>", word)]
    return sum(word != word.lower() for word in words) > len(words) / 100


def _prepend_spaces(name, tokenizer):
    """A tokenizer whose normalizer puts a space before each word and each text, or None where that does not make a word
    given by itself the same as one in a text, or where the model reads from left to right.

    For those that make spaces part of subwords by other means than byte-level BPE alone (Gemma, Llama 3). A class of
    its own would make its normalizer anew when it is loaded (transformers 5), so it becomes the plain one. A space may
    be a subword by itself (before digits) and carry the label then: no matter where all subwords are seen, but a
    decoder has not seen the word yet.
    """
    import transformers
    from tokenizers.normalizers import Prepend, Sequence

    if any(kind.endswith(("CausalLM", "LMHeadModel")) for kind in _architectures(name)):
        return None
    backend = tokenizer.backend_tokenizer
    before = backend.normalizer
    backend.normalizer = Prepend(" ") if before is None else Sequence([Prepend(" "), before])
    if not reads_words_as_running_text(backend):
        backend.normalizer = before
        return None
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        model_input_names=tokenizer.model_input_names,
        **tokenizer.special_tokens_map,
    )


def _architectures(name):
    try:
        return _read_json(name, "config.json").get("architectures") or []
    except InputError:
        return []


def learn_wordpiece(words, vocab_size=8000, min_frequency=2, say=print):
    """A cased WordPiece tokenizer learnt from words: the same words give the same vocabulary.

    A character takes two subwords, and all characters a quarter of them or those of 128 characters, whichever is more.
    The rarest beyond that are left out: a word with one of them becomes [UNK].

    Args:
        words: iterable of strings.
        vocab_size: subwords at most.
        min_frequency: how often a pair of subwords must occur to become one.
        say: called with one line if characters are left out.
    """
    import tokenizers
    import transformers

    learner = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    learner.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=False)
    learner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    counts = collections.Counter(words)
    # Left alone, the trainer numbers the continuing characters in the order of a hash map and breaks ties by these
    # numbers: another vocabulary each time. Named in advance, they have fixed numbers.
    characters = sorted(set("".join(map(learner.normalizer.normalize_str, counts))))
    most = max(vocab_size // 8, 128)
    if len(characters) > most:
        frequency = collections.Counter()
        for word, times in counts.items():
            for character in learner.normalizer.normalize_str(word):
                frequency[character] += times
        by_frequency = sorted(characters, key=lambda c: (-frequency[c], c))
        characters, left_out = sorted(by_frequency[:most]), by_frequency[most:]
        without = dict.fromkeys(map(ord, left_out), " ")
        kept = collections.Counter()
        for word, times in counts.items():
            kept[word.translate(without)] += times
        counts = kept
        say(
            f"vocabulary: {vocab_size:,} subwords leave room for the {most:,} most frequent of"
            f" {len(frequency):,} characters; a word with one of the others is [UNK]"
        )
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{c}" for c in characters)],
        show_progress=False,
    )
    learner.train_from_iterator(counts.elements(), trainer)
    return transformers.BertTokenizerFast(vocab=learner.get_vocab(), do_lower_case=False)


def load_model(name, tokenizer, names, keep_head, trust_remote_code=False):
    """A token classifier with the given labels, in float32, from safetensors.

    Args:
        name: `mini`, `scratch`, a directory, or a name on the Hub.
        tokenizer: its tokenizer.
        names: label names in the order of their ids.
        keep_head: whether the model's own classification head is for these labels (`label_order` says so).
        trust_remote_code: run code that comes with the model, and read pickled weights where there are no others.

    Returns:
        A `PreTrainedModel` whose config holds both label maps.

    Raises:
        InputError: the weights cannot be loaded, or are not all there.
    """
    import torch
    import transformers

    maps = {"id2label": dict(enumerate(names)), "label2id": {label: i for i, label in enumerate(names)}}
    if name == SCRATCH:
        return transformers.AutoModelForTokenClassification.from_config(scratch_config(tokenizer, **maps))
    name = model_path(name)
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"  # else the library asks a bot to open a pull request on the Hub
    safe = None if trust_remote_code else True
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # a new head is what is wanted here, not something to warn of
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code, **maps)
        config.ner_transitions = None  # those of an earlier training
        model, loading = transformers.AutoModelForTokenClassification.from_pretrained(
            name,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            use_safetensors=safe,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
    except Exception as error:  # see load_tokenizer
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"--model {name}: cannot be loaded ({type(error).__name__}: {reason})") from None
    finally:
        transformers.logging.set_verbosity(verbosity)
    at_random = [*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])]
    of_encoder = sorted(key for key in at_random if key.startswith(f"{model.base_model_prefix}."))
    if of_encoder:
        count = f"{len(of_encoder)} of the encoder's weights"
        raise InputError(f"--model {name}: {count} are not in its files, or of another size, such as {of_encoder[0]}")
    if keep_head and at_random:
        raise InputError(
            f"--model {name}: its head is not in its files, or of another size ({at_random[0]}); give the labels of its"
            " config.json as they were when it was trained"
        )
    if keep_head:
        return model
    # A head of the same size but for other labels would have been loaded without a word: take the encoder only. So the
    # dense layer of a masked LM's head (ModernBERT's) starts anew too, which is the better (benchmarks/TRIALS.md).
    fresh = transformers.AutoModelForTokenClassification.from_config(
        model.config, dtype=torch.float32, trust_remote_code=trust_remote_code
    )
    fresh.base_model.load_state_dict(model.base_model.state_dict())
    return fresh


def scratch_config(tokenizer, **maps):
    """The shape of `--model scratch`: a BERT of 2 layers x 384 with 128 positions.

    Chosen by strict F1 on the validation part of the bundled corpus, 8 epochs, seed 42, arg-max: 1 x 256 0.446,
    2 x 128 0.374, 2 x 256 0.461, 2 x 384 0.502, 4 x 256 0.475 (which takes twice the time of 2 x 256). Longer
    sentences become windows, since a position that no training sentence reaches is never learnt.
    """
    import transformers

    return transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        num_hidden_layers=2,
        num_attention_heads=6,
        intermediate_size=1536,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
        **maps,
    )


def subword_limit(tokenizer, model, max_length=None, say=print):
    """How many subwords, special tokens included, a window holds: `max_length`, but never more than the model reads.

    The model's limit is the smaller of what the tokenizer says and what the position embeddings allow: where they have
    a padding index (RoBERTa and its kin), positions start behind it. The tokenizer is told the limit, so that it is
    saved with the model: some come with 1e30 and would run past the positions. Where neither says any: `NO_LIMIT`.

    Args:
        tokenizer, model: as loaded.
        max_length: `--max_length`, or None for the model's limit.
        say: called with one line if `max_length` is more than the model reads.
    """
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            limits.append(len(module.weight) - module.padding_idx - 1)
    limit = min((int(limit) for limit in limits if limit and 0 < limit < 1_000_000), default=NO_LIMIT)
    tokenizer.model_max_length = limit
    if max_length is not None and max_length > limit:
        say(f"--max_length {max_length}: the model reads {limit} subwords at most; {limit} is used")
    return min(max_length or limit, limit)
