"""Fine-tune a named-entity recogniser on labelled sentences, evaluate it, save it, publish it.

    python run_ner.py                                                     # bundled corpus, bundled encoder
    python run_ner.py --model bert-base-cased --train_file my.csv         # your words, one a row: sentence, word, tag
    accelerate launch run_ner.py --model bert-base-cased --push_to_hub --hub_model_id me/my-ner

Beside the flags below, most of transformers.TrainingArguments work (--learning_rate, ...): they are named at the end.
"""

import os
import sys
import textwrap
from argparse import ArgumentDefaultsHelpFormatter, RawDescriptionHelpFormatter
from dataclasses import dataclass, field, fields

from ner_data import InputError
from ner_data.audit import short_form
from ner_data.bundled import MINI, bundled_corpus
from ner_data.labels import label_names, word_counts
from ner_data.read import read_corpus
from ner_eval.decode import DECODINGS
from ner_eval.publish import PublishError, check_login, check_name, how_to_retry, publish
from ner_model.arguments import (
    CLASS_WEIGHTS,
    OWNED,
    HfArgumentParser,
    check_flags,
    refuse,
    training_arguments,
    training_flags,
    usual_copies,
)
from ner_model.checkpoints import TrainingStopped, check_output_dir, save_model
from ner_model.interruptions import places_in_files, signals
from ner_model.load import SCRATCH, label_order, load_model, load_tokenizer, read_config, subword_limit
from ner_model.run_directory import let_others_in, new_run_directory
from ner_model.trainable import check_way

# the flags that `read_corpus` takes as they are
READING = (
    *("dataset_name", "dataset_config_name", "format", "sentence_column", "word_column", "tag_column"),
    *("tag_scheme", "repair", "validation_fraction", "test_fraction", "group_column", "split_file", "seed"),
)
MAIN_PROCESS = os.environ.get("RANK", "0") == "0"


def flag(default, text, **more):
    return field(default=default, metadata={"help": text, **more})


@dataclass
class Recipe:
    """The recipe's own flags."""

    model: str = flag(
        MINI, "`mini` (bundled), Hub name, local directory, or `scratch` (a small BERT from random weights)"
    )
    train_file: str | None = flag(None, "labelled words; the bundled corpus if not given")
    validation_file: str | None = flag(None, "chooses the best epoch; split off the training file if not given")
    test_file: str | None = flag(None, "judges the chosen model, once; split off the training file if not given")
    dataset_name: str | None = flag(None, "in place of files: a data set on the Hub, or a `save_to_disk` directory")
    dataset_config_name: str | None = flag(None, "the data set's configuration")
    format: str | None = flag(None, "word_csv, conll or jsonl; by the file's suffix if not given")
    sentence_column: str = flag("Sentence #", "CSV column with the sentence id, on its first row or on every row")
    word_column: str = flag("Word", "CSV column with the word; in CoNLL columns its number")
    tag_column: str = flag("Tag", "CSV column with the tag; in CoNLL columns its number, -1 is the last")
    tag_scheme: str | None = flag(None, "BIO, IO, IOB1, BIOES, BILOU or unprefixed; found out if not given")
    repair: bool = flag(False, "mend tags and spans that are out of place, counted, instead of refusing them")
    validation_fraction: float = flag(0.1, "share of the sentences to split off for validation")
    test_fraction: float = flag(0.1, "share of the sentences to split off for the test; 0: no test split")
    group_column: str | None = flag(None, "column with the document; a document stays in one split")
    split_file: str | None = flag(None, "reuse the split that an earlier run wrote (split.jsonl)")
    max_length: int | None = flag(None, "subwords in a window; the model's limit if not given")
    stride: int = flag(16, "words of context on each side where a long sentence is cut into windows")
    output_dir: str | None = flag(None, "where everything goes; a new directory under runs/ if not given")
    overwrite_output_dir: bool = flag(False, "write into an output directory that is not empty")
    resume_from_checkpoint: str | None = flag(
        None, "go on from this checkpoint; without a value from the newest in --output_dir", nargs="?", const="true"
    )
    seed: int = flag(42, "for the split, the weights, the order of batches and dropout")
    decoding: str = flag("viterbi", "viterbi: the best sequence of tags; argmax: each word's best tag")
    train_head_only: bool = flag(False, "freeze the encoder, train the classification head alone")
    lora: bool = flag(False, "freeze the encoder, train low-rank adapters and the head; the merged model is saved")
    class_weights: str = flag("none", "none, or balanced: words with rare labels count for more in the loss")
    augment: int | None = flag(
        None,
        "copies of each training sentence that has entities, with other ones in their place; if not given, 1 to 5 for"
        " small pre-trained encoders and at most 2,000 sentences, 0 with --num_train_epochs or --max_steps",
    )
    patience: int | None = flag(None, "stop after so many evaluations without a better F1; all epochs if not given")
    trust_remote_code: bool = flag(False, "load a --model that brings code of its own (auto_map) or pickled weights")
    push_to_hub: bool = flag(False, "push the result to the Hub at the end")
    hub_model_id: str | None = flag(None, "name of the model on the Hub, such as me/my-ner")
    hub_token: str | None = flag(None, "Hub token; HF_TOKEN or the cached login if not given")
    hub_private_repo: bool = flag(True, "a new repository on the Hub is private; --no_hub_private_repo: public")


class Help(ArgumentDefaultsHelpFormatter, RawDescriptionHelpFormatter):
    """Shows the module docstring as it is, and every default."""


def parse(argv):
    """The recipe's flags, and the words of the command line that are for `TrainingArguments`."""
    asks_help = "-h" in argv or "--help" in argv
    own = [f.name for f in fields(Recipe)]
    refused = {*own, *OWNED, "deepspeed"}
    others = [name for name in training_flags() if name not in refused] if asks_help else []
    others = textwrap.fill(f"flags of TrainingArguments: {' '.join(others)}", 100)
    parser = HfArgumentParser(
        Recipe, prog="run_ner.py", description=__doc__, epilog=others, allow_abbrev=False, formatter_class=Help
    )
    parser.error = refuse
    recipe, rest = parser.parse_args_into_dataclasses(argv, return_remaining_strings=True, look_for_args_file=False)
    check_flags(rest, own)
    for name, least in (("max_length", 8), ("stride", 0), ("seed", 0), ("augment", 0), ("patience", 1)):
        value = getattr(recipe, name)
        if value is not None and value < least:
            raise InputError(f"--{name} {value}: give {least} or more")
    if recipe.seed >= 2**32:  # numpy's limit
        raise InputError(f"--seed {recipe.seed}: give {2**32 - 1} or less")
    for name, choices in (("decoding", DECODINGS), ("class_weights", CLASS_WEIGHTS)):
        if getattr(recipe, name) not in choices:
            raise InputError(f"--{name} {getattr(recipe, name)}: give one of {', '.join(choices)}")
    recipe.output_dir = recipe.output_dir and os.path.expanduser(recipe.output_dir)  # a shell leaves `=~/` as it is
    if recipe.push_to_hub and not recipe.hub_model_id:
        raise InputError("--push_to_hub: give --hub_model_id too, such as me/my-ner")
    if recipe.hub_model_id:
        check_name(recipe.hub_model_id)
    return recipe, rest


def main(argv=None):
    """One run, from the words of the command line (those of the process if None) to a model that is saved or pushed.

    Raises InputError for a user's mistake, PublishError for a Hub that cannot be used.
    """
    # 1 parse
    recipe, rest = parse(sys.argv[1:] if argv is None else argv)
    say = print if MAIN_PROCESS else lambda *_: None
    resume_from = check_output_dir(recipe.output_dir, recipe.overwrite_output_dir, recipe.resume_from_checkpoint, say)
    signals.saved = resume_from and os.path.abspath(resume_from)
    check_way(recipe.lora, recipe.train_head_only, recipe.model == SCRATCH, resume_from)

    # 2 read, 3 split
    files = {split: getattr(recipe, f"{split}_file") for split in ("train", "validation", "test")}
    if not recipe.train_file and not recipe.dataset_name:
        files = bundled_corpus(files, recipe.test_fraction)
    tables = read_corpus(*files.values(), **{name: getattr(recipe, name) for name in READING}, say=say)
    audit = short_form(tables)
    say("\n".join(audit))

    # 4 label
    config = read_config(recipe.model, recipe.trust_remote_code)
    if not label_names([tables["train"]])[1:]:
        source = recipe.dataset_name or files["train"]
        raise InputError(f"{source}: no training word has a tag other than O, so there is nothing to learn")
    names, keep_head = label_order(label_names(tables.values()), config, say)
    if recipe.push_to_hub and "auto_map" in config:
        raise InputError(f"--push_to_hub: --model {recipe.model} brings code of its own, which is not published")
    if recipe.push_to_hub:
        recipe.hub_model_id = check_login(recipe.hub_model_id, recipe.hub_token)

    # 5 to 9; from here on torch is imported, and no fault of a file or of a flag of ours is left to find
    width = config.get("hidden_size", config.get("dim"))  # DistilBERT's name for it
    output_dir = fine_tune(recipe, rest, tables, names, keep_head, width, resume_from, files, audit, say)

    # 10 publish
    if MAIN_PROCESS and recipe.push_to_hub:
        signals.remedy = how_to_retry(output_dir, recipe.hub_model_id, recipe.hub_private_repo)
        address = publish(output_dir, recipe.hub_model_id, private=recipe.hub_private_repo, token=recipe.hub_token)
        say(f"published: {address}")


def fine_tune(recipe, rest, tables, names, keep_head, width, resume_from, files, audit, say):
    """Steps 5 to 9. Returns the directory that holds the model and its scores."""
    from ner_eval.parity import check_parity, parity_lines
    from ner_eval.recognizer import store_settings
    from ner_eval.results import save_results
    from ner_eval.score import score
    from ner_eval.transitions import choose_transitions
    from ner_model.trainable import describe_way, merge_lora

    trainer, windows, length = assemble(recipe, rest, tables, names, keep_head, width, files, say)

    # 8 train
    trainer.train(resume_from_checkpoint=resume_from)

    # 9 score
    output_dir = trainer.args.output_dir
    merge_lora(trainer)
    predictions = {split: trainer.predict(windows[split]) for split in windows if split != "train"}
    transitions = choose_transitions(predictions["validation"], tables["train"], names, recipe.decoding, say)
    scored = {}
    for split, prediction in predictions.items():
        of_words = {"sentences": tables[split], "training": tables["train"]}
        scored[split] = score(prediction, names, recipe.decoding, transitions=transitions, **of_words)
    train_words = word_counts(tables["train"]).elements()
    precision = trainer.accelerator.mixed_precision
    store_settings(trainer.model.config, train_words, recipe.decoding, transitions, length, recipe.stride, precision)
    save_model(trainer, output_dir)
    if MAIN_PROCESS:
        save_results(
            output_dir,
            tables=tables,
            scored=scored,
            names=names,
            model=recipe.model,
            hub_model_id=recipe.hub_model_id,
            dataset=recipe.dataset_name or files["train"],
            dataset_config=recipe.dataset_config_name,
            files=files,
            seed=recipe.seed,
            audit=audit,
            trainer=trainer,
            way=describe_way(recipe.lora, recipe.train_head_only, recipe.class_weights, trainer.copies),
        )
        trainer.optimizer = trainer.lr_scheduler = None  # the parity check loads the model three times more
        trainer.accelerator.free_memory()
        last = "test" if "test" in tables else "validation"
        only = {"trust_remote_code": recipe.trust_remote_code, "use_cpu": trainer.args.device.type == "cpu"}
        parity = check_parity(output_dir, tables[last], names, **only)
        say("\n".join(parity_lines(parity)))
    let_others_in(output_dir)
    return output_dir


def assemble(recipe, rest, tables, names, keep_head, width, files, say):
    """Steps 5 to 7. Returns the trainer, the windows of each split, and the most subwords in one."""
    import transformers

    from ner_data.mentions import with_other_mentions
    from ner_data.windows import say_encoded, say_first_sentence
    from ner_eval.score import ComputeMetrics
    from ner_model.allocator import keep_few_kernels, keep_freed_memory
    from ner_model.batching import WindowCollator, count_labelled, rounding, say_batches
    from ner_model.early_stopping import early_stopping
    from ner_model.encoding import checksum, encode_once
    from ner_model.trainable import choose_weights
    from ner_model.trainer import NerTrainer, WordLoss, class_weights

    # 5 load
    keep_freed_memory()
    keep_few_kernels(width)
    if not (MAIN_PROCESS and sys.stderr.isatty()):  # progress bars are for a terminal
        transformers.logging.disable_progress_bar()
    scratch, sentences = recipe.model == SCRATCH, len(tables["train"])
    copies = usual_copies(rest, scratch, width, sentences) if recipe.augment is None else recipe.augment
    training = with_other_mentions(tables["train"], copies, recipe.seed, say)
    args, precision = training_arguments(
        rest,
        scratch=scratch,
        width=width,
        sentences=sentences,
        copied=len(training) - sentences,
        head_only=recipe.train_head_only,
        lora=recipe.lora,
        patience=recipe.patience,
        seed=recipe.seed,
        say=say,
    )
    say(f"precision: {precision}")
    transformers.set_seed(recipe.seed)
    train_words = word_counts(tables["train"]).elements()
    tokenizer = load_tokenizer(recipe.model, train_words, recipe.trust_remote_code, say, as_saved=keep_head)
    model = load_model(recipe.model, tokenizer, names, keep_head, recipe.trust_remote_code)
    model = choose_weights(model, recipe.lora, recipe.train_head_only, say)

    # 6 encode
    length = subword_limit(tokenizer, model, recipe.max_length, say)
    encoded, windows = encode_once(tables | {"train": training}, tokenizer, names, length, recipe.stride, say)
    multiple = rounding(args, model.config)
    collator = WindowCollator(tokenizer, pad_to_multiple_of=multiple)
    for split, part in encoded.items():
        say_encoded(split, part, count_labelled(windows[split], collator), say)
    say_first_sentence(tables["train"], encoded["train"], tokenizer, names, say)
    say_batches(windows["train"], args, multiple, say)

    # 7 assemble
    args.output_dir = recipe.output_dir or new_run_directory(recipe.model)
    weights = class_weights(recipe.class_weights, training, names, say)
    trainer = NerTrainer(
        model=model,
        args=args,
        train_dataset=windows["train"].select_columns(["input_ids", "labels"]),
        eval_dataset=windows["validation"],
        processing_class=tokenizer,
        data_collator=collator,
        compute_loss_func=WordLoss(args.label_smoothing_factor, weights),
        compute_metrics=ComputeMetrics(names, recipe.decoding),
        callbacks=early_stopping(recipe.patience),
    )
    trainer.copies = copies if len(training) > sentences else 0
    data = checksum(encoded[split] for split in ("train", "validation"))
    windows_by = {"--max_length": length, "--stride": recipe.stride, "--decoding": recipe.decoding}
    trainer.facts = windows_by | {"training and validation data of checksum": data}
    trainer.place_of = places_in_files(training, encoded["train"], recipe.dataset_name or files["train"])
    return trainer, windows, length


if __name__ == "__main__":
    signals.catch()
    try:
        main()
    except (InputError, PublishError, TrainingStopped) as error:
        # one process of each machine, whose files are its own; what stops a training may be one process's own
        if os.environ.get("LOCAL_RANK", "0") == "0" or isinstance(error, TrainingStopped):
            print(f"run_ner.py: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
