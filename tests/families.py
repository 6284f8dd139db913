"""One tiny encoder for each family of tokenizers and models that the recipe is for."""

import tokenizers
import torch
import transformers

TEXT = [
    "Angela Merkel visited Paris on Monday with the British prime minister .",
    "The United Nations said in New York that talks in Baghdad would go on .",
    "Officials from the U.S. and the European Union met in Washington last May .",
    "Jordan scored twice as Chelsea beat Arsenal , the club said on Sunday .",
    "He did n't know that Apple Inc. had opened a shop in São Paulo in 2005 .",
    "Hurricane Katrina hit New Orleans , the worst storm in American history .",
] * 3

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def _wordpiece(lowercase):
    learner = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    learner.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
    learner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = tokenizers.trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    learner.train_from_iterator(TEXT, trainer)
    return learner.get_vocab()


def _byte_bpe(special):
    learner = tokenizers.Tokenizer(tokenizers.models.BPE())
    learner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=sorted(alphabet), show_progress=False
    )
    learner.train_from_iterator(TEXT, trainer)
    return learner


def _unigram(special):
    learner = tokenizers.Tokenizer(tokenizers.models.Unigram())
    learner.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=200, special_tokens=special, unk_token=special[-1], show_progress=False
    )
    learner.train_from_iterator(TEXT, trainer)
    import json

    return [tuple(entry) for entry in json.loads(learner.to_str())["model"]["vocab"]]


def _roberta():
    import json

    model = json.loads(_byte_bpe(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]).to_str())["model"]
    return transformers.RobertaTokenizerFast(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]])


def _modernbert():
    learner = _byte_bpe(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    learner.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=learner, **{f"{name}_token": token for name, token in names.items()}
    )


FAMILIES = {
    "bert-cased": (
        lambda: transformers.BertTokenizerFast(vocab=_wordpiece(False), do_lower_case=False),
        lambda **k: transformers.BertConfig(max_position_embeddings=64, **SHAPE, **k),
    ),
    "bert-uncased": (
        lambda: transformers.BertTokenizerFast(vocab=_wordpiece(True), do_lower_case=True),
        lambda **k: transformers.BertConfig(max_position_embeddings=64, **SHAPE, **k),
    ),
    "distilbert": (
        lambda: transformers.DistilBertTokenizerFast(vocab=_wordpiece(True)),
        lambda **k: transformers.DistilBertConfig(
            max_position_embeddings=64, dim=32, n_layers=2, n_heads=2, hidden_dim=64, **k
        ),
    ),
    "electra": (
        lambda: transformers.ElectraTokenizerFast(vocab=_wordpiece(True)),
        lambda **k: transformers.ElectraConfig(max_position_embeddings=64, embedding_size=32, **SHAPE, **k),
    ),
    "roberta": (
        _roberta,
        lambda **k: transformers.RobertaConfig(max_position_embeddings=66, **SHAPE, **k),
    ),
    "modernbert": (
        _modernbert,
        lambda **k: transformers.ModernBertConfig(
            max_position_embeddings=64, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3, **SHAPE, **k
        ),
    ),
    "xlm-roberta": (
        lambda: transformers.XLMRobertaTokenizerFast(vocab=_unigram(["<s>", "<pad>", "</s>", "<unk>"])),
        lambda **k: transformers.XLMRobertaConfig(max_position_embeddings=66, **SHAPE, **k),
    ),
    "deberta-v3": (
        lambda: transformers.DebertaV2TokenizerFast(
            vocab=_unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]"]), unk_id=3, split_by_punct=False
        ),
        lambda **k: transformers.DebertaV2Config(
            max_position_embeddings=64,
            relative_attention=True,
            position_buckets=16,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
            **SHAPE,
            **k,
        ),
    ),
}


def write_encoder(family, directory, seed=0):
    """Save a tiny encoder of the family (random weights, no head) and its tokenizer into a directory."""
    make_tokenizer, make_config = FAMILIES[family]
    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    config = make_config(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    transformers.AutoModel.from_config(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
