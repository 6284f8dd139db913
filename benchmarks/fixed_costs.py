"""The seconds of a run of run_ner.py, step by step: what it costs beside training."""

import functools
import importlib
import json
import os
import time

import psutil

LIGHT, HEAVY = "imports, flags", "imports, torch and libraries"
STEPS = {  # "module function" or "module class.method": the step that its seconds count for
    "run_ner parse": LIGHT,
    "run_ner read_corpus": "reading",
    "run_ner short_form": "audit",
    "run_ner training_arguments": "loading",
    "run_ner load_tokenizer": "loading",
    "run_ner load_model": "loading",
    "ner_model.encoding encode_once": "encoding",
    "ner_model.batching count_labelled": "encoding",
    "ner_model.trainer NerTrainer.__init__": "loading",
    "ner_model.trainer NerTrainer.train": "training",
    "ner_model.trainer NerTrainer._save_checkpoint": "checkpoint",
    "ner_model.trainer NerTrainer.evaluation_loop": "evaluation and prediction",
    "ner_eval.transitions choose_transitions": "scores",
    "ner_eval.score score": "scores",
    "run_ner save_model": "saving",
    "ner_eval.results save_results": "results, report, card",
    "ner_eval.parity check_parity": "parity",
}
LIBRARIES = (
    "ner_model.trainer",
    "ner_eval.results",
    "ner_eval.parity",
    "ner_eval.recognizer",
    "ner_eval.seqeval_metric",
    "ner_eval.transitions",
)


def owner_of(place):
    """What holds a function that `STEPS` names, a module or a class, and the function's name there."""
    module, path = place.split()
    *owners, name = path.split(".")
    return functools.reduce(getattr, owners, importlib.import_module(module)), name


class Stopwatch:
    """Seconds by step. A step that another one calls is taken off it."""

    def __init__(self):
        self.seconds, self.inner = {}, [0.0]

    def timed(self, step, function, *arguments, **named):
        """Call a function for a step."""
        self.seconds.setdefault(step, 0.0)
        self.inner.append(0.0)
        begin = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            elapsed = time.perf_counter() - begin
            self.seconds[step] += elapsed - self.inner.pop()
            self.inner[-1] += elapsed

    def watch(self, place, step):
        """Time a function, `place` as in `STEPS`, whenever it is called."""
        owner, name = owner_of(place)
        function = getattr(owner, name)

        @functools.wraps(function)
        def call(*arguments, **named):
            return self.timed(step, function, *arguments, **named)

        setattr(owner, name, call)


def measure(directory, arguments):
    """Run run_ner.py for an epoch in this process, which should have begun for nothing else.

    Args:
        directory: where to write.
        arguments: more words of its command line.

    Prints, on the last line, {step: seconds} as JSON; `other` is what lies between the steps.
    """
    watch = Stopwatch()
    watch.seconds["start of Python"] = time.time() - psutil.Process().create_time()
    begin = time.perf_counter()
    run_ner = watch.timed(LIGHT, importlib.import_module, "run_ner")
    for module in LIBRARIES:
        watch.timed(HEAVY, importlib.import_module, module)
    for place, step in STEPS.items():
        watch.watch(place, step)
    run_ner.main(["--output_dir", os.path.join(directory, "run"), "--num_train_epochs", "1", *arguments])
    watch.seconds["other"] = time.perf_counter() - begin - watch.inner[0]
    print(json.dumps(watch.seconds))
