"""Two other ways to fine-tune a token classifier, which `bench_train` measures beside the recipe's own.

`OwnLoop` is the way of the notebooks since 2018, `Stock` that of Hugging Face's example for token classification, as it
comes or with the flags that an experienced user sets. Each has the settings that its users have; what time has broken
in them is mended to their advantage, and the docstrings say what.

All ways share one shape: made from a model, its tokenizer and a `Job`; `train()`; `evaluate()`, from logits to metrics;
`tags()`, the predicted tags of the validation sentences, one for every word.
"""

from dataclasses import dataclass

import datasets
import evaluate
import numpy as np
import pyarrow as pa
import torch
from seqeval.metrics import accuracy_score, classification_report, f1_score
from transformers import (
    DataCollatorForTokenClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_linear_schedule_with_warmup,
)
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

from benchmarks.bench_data import usual_encoding
from ner_data.labels import IGNORED, label_ids, sentence_offsets
from ner_model.precision import choose_precision

MAX_LENGTH_2018 = 75  # subwords in a sentence


@dataclass
class Job:
    """What is the same for all: the sentences, and how often and in what steps they are gone through.

    Attributes:
        train, validation: sentence tables.
        names: label names.
        directory: for what a `Trainer` wants to write.
        batch_size: sentences in a training step.
        epochs, learning_rate, seed: as everywhere.
        validate: whether every epoch ends with an evaluation.
        only_evaluate: whether the model is evaluated and never trained.
        after_step: called without arguments after each training step.
        is_part: whether the training sentences stand for a larger corpus, of which these are a part.
    """

    train: pa.Table
    validation: pa.Table
    names: list
    directory: str
    batch_size: int = 32
    epochs: int = 1
    learning_rate: float = 3e-5
    seed: int = 42
    validate: bool = False
    only_evaluate: bool = False
    after_step: object = None
    is_part: bool = False


def word_tags(rows, word_ids, sentences, names):
    """The tag of each word's first subword; `O` for a word that was cut off or has no subword.

    Args:
        rows: for each sentence the predicted label id of each of its positions.
        word_ids: for each sentence the word that each of its positions is from, or None.
        sentences: sentence table.
        names: label names.
    """
    tags = []
    for row, words, length in zip(rows, word_ids, np.diff(sentence_offsets(sentences)), strict=True):
        sentence = ["O"] * length
        for label, word in reversed(list(zip(row, words, strict=False))):  # so that the first subword has the last say
            if word is not None:
                sentence[word] = names[label]
        tags.append(sentence)
    return tags


class OwnLoop:
    """The notebooks since 2018 ("Named entity recognition with BERT", T. Sterbak) with the libraries of today.

    Every sentence is padded or cut to 75 subwords, each with the label of its word; AdamW, clipping at 1.0, a linear
    schedule, fp32, `loss.item()` at each step; after each epoch the logits of every batch go to lists of arg-maxima
    and these to seqeval. To its advantage: sentences have [CLS] and [SEP], padding costs no loss, and the norms, which
    went by other names in 2018, no weight decay.
    """

    def __init__(self, model, tokenizer, job):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model, self.tokenizer, self.job = model.to(self.device), tokenizer, job
        self.train_data, self.validation_data = (self._encode(table) for table in (job.train, job.validation))

    def _tokenize(self, table):
        return self.tokenizer(
            table["tokens"].to_pylist(),
            is_split_into_words=True,
            truncation=True,
            padding="max_length",
            max_length=MAX_LENGTH_2018,
            return_tensors="pt",
        )

    def _encode(self, table):
        encoded = self._tokenize(table)
        ids = {name: label for label, name in enumerate(self.job.names)}
        labels = [
            [IGNORED if word is None else ids[tags[word]] for word in encoded.word_ids(row)]
            for row, tags in enumerate(table["tags"].to_pylist())
        ]
        return torch.utils.data.TensorDataset(encoded["input_ids"], encoded["attention_mask"], torch.tensor(labels))

    def _batches(self, data, sampler):
        for batch in torch.utils.data.DataLoader(data, sampler=sampler, batch_size=self.job.batch_size):
            ids, mask, labels = (part.to(self.device) for part in batch)
            yield {"input_ids": ids, "attention_mask": mask, "labels": labels}

    def train(self):
        """All epochs, with an evaluation after each if `job.validate`."""
        job = self.job
        torch.manual_seed(job.seed)
        plain = ("bias", "LayerNorm.weight")
        named = list(self.model.named_parameters())
        groups = [
            {"params": [p for name, p in named if not name.endswith(plain)], "weight_decay": 0.01},
            {"params": [p for name, p in named if name.endswith(plain)], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=job.learning_rate, eps=1e-8)
        steps = job.epochs * -(-len(self.train_data) // job.batch_size)
        schedule = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=0, num_training_steps=steps)
        for _ in range(job.epochs):
            self.model.train()
            total = 0.0
            for batch in self._batches(self.train_data, torch.utils.data.RandomSampler(self.train_data)):
                self.model.zero_grad()
                loss = self.model(**batch).loss
                loss.backward()
                total += loss.item()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=1.0)
                optimizer.step()
                schedule.step()
                if job.after_step:
                    job.after_step()
            if job.validate:
                self.evaluate()

    def _predict(self):
        """The loss over the validation batches, the arg-maxima of all their rows, and their labels."""
        self.model.eval()
        loss, predicted, gold = 0.0, [], []
        sampler = torch.utils.data.SequentialSampler(self.validation_data)
        for batch in self._batches(self.validation_data, sampler):
            with torch.no_grad():
                outputs = self.model(**batch)
            loss += outputs.loss.mean().item()
            logits = outputs.logits.detach().cpu().numpy()
            predicted.extend([list(row) for row in np.argmax(logits, axis=2)])
            gold.extend(batch["labels"].cpu().numpy())
        return loss, predicted, gold

    def evaluate(self):
        loss, predicted, gold = self._predict()
        names = self.job.names
        pairs = [
            [(names[p], names[g]) for p, g in zip(*rows, strict=True) if g != IGNORED]
            for rows in zip(predicted, gold, strict=True)
        ]
        tags, gold_tags = ([[pair[side] for pair in row] for row in pairs] for side in (0, 1))
        return {"loss": loss, "accuracy": accuracy_score(gold_tags, tags), "f1": f1_score(gold_tags, tags)}

    def tags(self):
        encoded = self._tokenize(self.job.validation)
        word_ids = [encoded.word_ids(row) for row in range(len(self.job.validation))]
        return word_tags(self._predict()[1], word_ids, self.job.validation, self.job.names)


class Seqeval(evaluate.Metric):
    """What `evaluate.load("seqeval")` loads from the Hub: seqeval's default reading of the tags."""

    def _info(self):
        tags = datasets.Sequence(datasets.Value("string"))
        features = datasets.Features({"predictions": tags, "references": tags})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        report = classification_report(references, predictions, output_dict=True, zero_division=0)
        overall = report.pop("micro avg")
        return {"f1": overall["f1-score"], "accuracy": accuracy_score(references, predictions), "per_type": report}


class AfterStep(TrainerCallback):
    """Calls a function after each step of a `Trainer`."""

    def __init__(self, after_step):
        self.after_step = after_step

    def on_step_end(self, args, state, control, **kwargs):
        self.after_step()


class GroupedAsInACorpus(LengthGroupedSampler):
    """`group_by_length` as on 200 batches and more, where it sorts 50 at a time: of fewer it sorts a quarter, and pads
    more (of 1,600 GMB sentences 10%, of 8,742 3%)."""

    def __iter__(self):
        return iter(get_length_grouped_indices(self.lengths, self.batch_size, 50, generator=self.generator))


class StockTrainer(Trainer):
    """`Trainer` as it comes but for a part of a corpus, which is grouped as the whole would be."""

    is_part = False

    def _get_train_sampler(self, *args):
        sampler = super()._get_train_sampler(*args)
        if self.is_part and isinstance(sampler, LengthGroupedSampler):
            sampler.__class__ = GroupedAsInACorpus
        return sampler


class Stock:
    """Hugging Face's example for token classification: `tokenize_and_align_labels` in a `map`, dynamic padding.

    `Trainer` has its own settings but for what all ways share, the batch size in evaluation too (its own would be 8).

    `best` sets what an experienced user would: bf16 where the hardware has it, batches grouped by length, arg-maxima
    in place of logits, 64 sentences a batch in evaluation, warm-up and weight decay; a model that is only evaluated is
    cast to bf16 as a whole; on a GPU padding to multiples of 8 and two workers for the batches.
    """

    def __init__(self, model, tokenizer, job, best=False):
        self.job, self.tokenizer, self.metric = job, tokenizer, Seqeval(cache_dir=job.directory)
        on_gpu = torch.cuda.is_available()
        settings = {
            "output_dir": job.directory,
            "per_device_train_batch_size": job.batch_size,
            "per_device_eval_batch_size": job.batch_size,
            "num_train_epochs": job.epochs,
            "learning_rate": job.learning_rate,
            "seed": job.seed,
            "eval_strategy": "epoch" if job.validate else "no",
            "save_strategy": "no",  # nobody saves here
        }
        if best:
            bf16, _ = choose_precision(asked=False, refused=None)
            settings |= {
                "use_cpu": not on_gpu,  # without it there is no bf16 on a CPU
                "bf16": bf16,
                "bf16_full_eval": bf16 and job.only_evaluate,
                "train_sampling_strategy": "group_by_length",
                "per_device_eval_batch_size": max(64, job.batch_size),
                "warmup_steps": 0.1,
                "weight_decay": 0.01,
                "dataloader_num_workers": 2 if on_gpu else 0,
            }
        self.trainer = StockTrainer(
            model=model,
            args=TrainingArguments(**settings),
            train_dataset=self._encode(job.train),
            eval_dataset=self._encode(job.validation),
            processing_class=tokenizer,
            data_collator=DataCollatorForTokenClassification(
                tokenizer, pad_to_multiple_of=8 if best and on_gpu else None
            ),
            compute_metrics=self._metrics,
            preprocess_logits_for_metrics=(lambda logits, labels: logits.argmax(dim=-1)) if best else None,
            callbacks=[AfterStep(job.after_step)] if job.after_step else None,
        )
        self.trainer.is_part = job.is_part

    def _encode(self, table):
        ids = pa.ListArray.from_arrays(sentence_offsets(table).astype(np.int32), label_ids(table, self.job.names))
        dataset = datasets.Dataset(pa.table({"tokens": table["tokens"], "ner_tags": ids}))
        return usual_encoding(dataset, self.tokenizer, self.tokenizer.model_max_length)

    @staticmethod
    def _arg_max(predictions):
        return predictions.argmax(axis=2) if predictions.ndim == 3 else predictions

    def _metrics(self, prediction):
        names, predicted, gold = self.job.names, self._arg_max(prediction.predictions), prediction.label_ids
        pairs = list(zip(predicted, gold, strict=True))
        tags = [[names[p] for p, g in zip(*pair, strict=True) if g != IGNORED] for pair in pairs]
        gold_tags = [[names[g] for _, g in zip(*pair, strict=True) if g != IGNORED] for pair in pairs]
        scores = self.metric.compute(predictions=tags, references=gold_tags)
        return {"f1": scores["f1"], "accuracy": scores["accuracy"]}

    def train(self):
        self.trainer.train()

    def evaluate(self):
        return self.trainer.evaluate()

    def tags(self):
        self.trainer.args.train_sampling_strategy = "sequential"  # grouping by length shuffles predictions too
        predicted = self._arg_max(self.trainer.predict(self.trainer.eval_dataset).predictions)
        words, names = self.job.validation["tokens"].to_pylist(), self.job.names
        encoded = self.tokenizer(words, is_split_into_words=True, truncation=True)
        word_ids = [encoded.word_ids(row) for row in range(len(words))]
        return word_tags(predicted, word_ids, self.job.validation, names)
