"""Label text or words with a trained model.

    python -m ner_eval.predict --model runs/my-run article.txt                        # JSON lines on the terminal
    python -m ner_eval.predict --model runs/my-run words.csv --output tagged.csv      # the same CSV, a column more
    python -m ner_eval.predict --model runs/my-run big.jsonl --output out.jsonl --resume
    cat article.txt | python -m ner_eval.predict --model runs/my-run -
    accelerate launch -m ner_eval.predict --model runs/my-run big.txt --output out.jsonl

A text file holds a sentence or paragraph a line. Word files are those of training, with or without tags. JSON lines
hold `text` or `tokens`; their other fields are carried along, gold annotations as `given_tags` and the like. Results
come in the order of the input.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections import deque
from functools import partial

from tqdm import tqdm

from ner_data import InputError, raise_input_error
from ner_data.formats.word_csv import Columns
from ner_data.text_file import counted
from ner_eval.prediction_lines import Lines, output_format
from ner_eval.recognizer import BLOCK_WORDS, RUNTIMES, Recognizer, read_settings
from ner_eval.records import INPUT_FORMATS, Source
from ner_eval.word_rules import words_of

COMPARED = 64  # sentences that an output holds already and that a resumed run predicts again: is it the same model?


class CannotWrite(Exception):
    """The output cannot be written; the message is the reason."""


def predict(recognizer, source, lines, output, *, done=0, total=None, share=(0, 1), gather=None):
    """Predict a source and write the lines of every sentence, in order.

    Blocks are cut by the input alone, so a sentence has the same neighbours, and its prediction the same bytes,
    wherever a run begins and however many processes there are.

    Args:
        recognizer: `Recognizer`.
        source: `Source`.
        lines: `Lines`.
        output: called with the text of whole lines.
        done: sentences that the output holds already.
        total: sentences in the source, for the progress bar, or None.
        share: this process's number, and how many there are; process 0 writes.
        gather: with several processes, called with a list of one str; returns those of all processes.

    Returns:
        Sentences and words that this process predicted.
    """
    rank, world = share
    sentences = words = 0
    split = partial(words_of, rule=recognizer.settings.rule)
    bar = tqdm(total=total, initial=done, unit=" sentences", disable=rank > 0 or None, file=sys.stderr)
    with bar, contextlib.closing(source.records(split)) as records:
        for round_ in _rounds((b for b in blocks(records) if b[-1][0] >= done), world):
            text = ""
            if rank < len(round_):
                block = round_[rank]
                labelled = recognizer.label([record.tokens for _, record in block])
                found = zip(block, labelled.tags, labelled.spans, strict=True)
                text = "".join(lines.write(n, record, *rest) for (n, record), *rest in found if n >= done)
                sentences, words = sentences + len(block), words + sum(len(record.words) for _, record in block)
            texts = gather([text]) if gather else [text]
            if rank == 0:
                output("".join(texts))
            bar.update(sum(number >= done for block in round_ for number, _ in block))
    return sentences, words


def blocks(records, words=BLOCK_WORDS):
    """Cut records into lists of (number, record) with at least `words` words each, the last one aside."""
    block, size = [], 0
    for number, record in enumerate(records):
        block.append((number, record))
        size += len(record.words) + 1  # blank lines count too
        if size >= words:
            yield block
            block, size = [], 0
    if block:
        yield block


def _rounds(blocks, world):
    """Lists of `world` blocks, one for each process."""
    round_ = []
    for block in blocks:
        round_.append(block)
        if len(round_) == world:
            yield round_
            round_ = []
    if round_:
        yield round_


def check_source(source, lines, rule):
    """Read a source to its end, so that its mistakes show before the model is loaded.

    Returns:
        How many sentences there are.

    Raises:
        InputError: as in `Source.records` and `Lines.check`.
    """
    needs_words = lines.format != "jsonl"
    count = 0
    for record in source.records(partial(words_of, rule=rule) if needs_words else lambda text: []):
        lines.check(record)
        count += 1
    return count


def resume_point(path, source, lines, rule):
    """How far an output file has got.

    Args:
        path: of the output.
        source, lines: as in `predict`.
        rule: of words in running text.

    Returns:
        Sentences whose lines are all there, and the bytes they take; behind these the file is to be cut. And the last
        `COMPARED` of them: (number, `Record`, lines).

    Raises:
        InputError: the file is not the beginning of this source's prediction.
    """
    with open(path, "rb") as file:
        header = lines.header().encode()
        start = file.read(len(header))
        if start != header[: len(start)]:
            raise InputError(f"--resume: {path} is not a prediction of {source.path}, give another --output")
        if len(start) < len(header):
            return 0, 0, []
        size, sentences, last = len(header), 0, deque(maxlen=COMPARED)
        for record in source.records(partial(words_of, rule=rule)):
            written = [file.readline() for _ in range(lines.count(record))]
            if not all(line.endswith(b"\n") for line in written):
                break
            if record.words:  # of an empty line, any file may hold the prediction
                last.append((sentences, record, b"".join(written).decode("utf-8", "replace")))
            size, sentences = size + sum(map(len, written)), sentences + 1
        else:
            if file.read(1):
                raise InputError(f"--resume: {path} is longer than the prediction of {source.path}, give another")
    if not all(lines.is_of(*one) for one in last):
        raise InputError(f"--resume: {path} is not a prediction of {source.path}, give another --output")
    return sentences, size, list(last)


def check_model(recognizer, lines, written):
    """Predict again what an output holds, what `resume_point` gives last: is it this model's?

    Raises InputError where more than a tenth of the sentences have other tags. (A few may have, on other hardware.)
    """
    if not written:
        return
    tags = recognizer.label([record.tokens for _, record, _ in written]).tags
    others = sum(not lines.has(n, record, own, text) for (n, record, text), own in zip(written, tags, strict=True))
    if others * 10 > len(written):
        raise InputError(
            f"--resume: of the last {counted(len(written), 'sentence')} of the output {others:,} have other tags by"
            " this model; go on with the one that began it, with its --runtime, or give another --output"
        )


class Output:
    """A file, or standard output, to which only whole lines are written, whatever signal comes.

    Args:
        path: or None for standard output.
        size: bytes of the file to keep; None: a new file.

    Raises:
        CannotWrite
    """

    def __init__(self, path, size=None):
        with _writing():
            self.file = sys.stdout.buffer if path is None else open(path, "wb" if size is None else "r+b")  # noqa: SIM115
            if size is not None:
                self.file.truncate(size)
                self.file.seek(size)

    def __call__(self, text):
        """Write and flush; a signal waits until that is done, whichever thread gets it. Raises `CannotWrite`."""
        came, numbers = [], (signal.SIGINT, signal.SIGTERM)
        numbers = numbers if threading.current_thread() is threading.main_thread() else ()  # only it has handlers
        before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in numbers}
        try:
            with _writing():
                self.file.write(text.encode("utf-8"))
                self.file.flush()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)
        if came:
            signal.raise_signal(came[0])


@contextlib.contextmanager
def _writing():
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CannotWrite(error.strerror or error) from error


def main(argv=None):
    """The command line. Returns the exit code."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    say = (lambda line: print(line, file=sys.stderr)) if rank == 0 else (lambda line: None)
    try:
        args = _parse(argv, world)
        settings = read_settings(args.model, args.trust_remote_code)
        source = Source(args.file, args.format, Columns(args.sentence_column, args.word_column, ""), say)
        lines = Lines(source, args.output, settings.names)
        total = None if args.file == "-" else check_source(source, lines, settings.rule)
        if source.comments:
            say(f"{args.file}: {counted(source.comments, 'comment line')}, not predicted")
        if source.ranges:
            say(f"{args.file}: {counted(source.ranges, 'line')} of several words together, or of none, not predicted")
        done, size, written = 0, None, []
        if args.resume and os.path.exists(args.output):
            done, size, written = resume_point(args.output, source, lines, settings.rule)
            say(f"--resume: {args.output} holds {done:,} of {total:,} sentences")
        gather = _start_processes(world) if world > 1 else None  # before the model, which goes to this process's GPU
        recognizer = _load(args)
        check_model(recognizer, lines, written)
        output = Output(args.output, size) if rank == 0 else None
        say(f"{args.model}: {recognizer.precision}, words by the rule {settings.rule}, {settings.decoding}")
        begin = time.perf_counter()
        if rank == 0 and not size:
            output(lines.header())
        counts = predict(recognizer, source, lines, output, done=done, total=total, share=(rank, world), gather=gather)
        _say_speed(recognizer, *counts, time.perf_counter() - begin, world, say)
    except InputError as error:
        say(f"ner_eval.predict: {error}")
        return 2
    except KeyboardInterrupt:
        can_go_on = args.output and args.file != "-"
        say("ner_eval.predict: stopped" + "; --resume goes on behind the last complete sentence" * bool(can_go_on))
        return 130
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except CannotWrite as error:
        say(f"ner_eval.predict: {args.output or 'standard output'}: cannot be written ({error})")
        return 1
    except OSError as error:
        say(f"ner_eval.predict: {error.filename or args.file}: cannot be read ({error.strerror or error})")
        return 1
    return 0


def _load(args):
    """The `Recognizer`, without the library's own progress bars."""
    if args.runtime == "torch":
        import transformers

        transformers.utils.logging.disable_progress_bar()
    return Recognizer(args.model, args.runtime, args.no_bf16, args.trust_remote_code)


def _start_processes(world):
    """Join the other processes of `accelerate launch`; returns `gather` for `predict`."""
    import torch
    from accelerate import PartialState
    from accelerate.utils import gather_object

    state = PartialState(cpu=not torch.cuda.is_available())
    if state.num_processes != world:  # left alone, each would gather its own lines only
        raise InputError(f"accelerate launch: {world} processes, but they cannot talk to each other; start one")
    return gather_object


def _say_speed(recognizer, sentences, words, seconds, world, say):
    padding = recognizer.padding / max(1, recognizer.subwords)
    each = f", by each of {world} processes" if world > 1 else ""
    speed = f"{words / max(seconds, 1e-9):,.0f} words per second{each}"
    size = f"{counted(sentences, 'sentence')}, {counted(words, 'word')}"
    say(f"{size} in {seconds:.1f} s: {speed}; {padding:.1%} padding")


def _parse(argv, world):
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m ner_eval.predict", description=__doc__, formatter_class=formatter)
    parser.add_argument("file", metavar="FILE", help="text, words or JSON lines; - is text from standard input")
    parser.add_argument("--model", required=True, help="directory of a saved model, or its name on the Hub")
    parser.add_argument("--output", help="its suffix says the format; JSON lines on standard output if not given")
    parser.add_argument("--format", help=f"{', '.join(INPUT_FORMATS)}; by the file's suffix if not given")
    parser.add_argument("--sentence_column", default=Columns().sentence, help="of a word CSV; default: %(default)s")
    parser.add_argument("--word_column", default=Columns().word, help="of a word CSV, or its number in CoNLL columns")
    parser.add_argument("--resume", action="store_true", help="continue the output of a run that was stopped")
    parser.add_argument("--runtime", default="torch", help=f"{' or '.join(RUNTIMES)}; default: %(default)s")
    parser.add_argument("--no_bf16", action="store_true", help="fp32 also on hardware made for bf16")
    trusted = "load a --model that brings code of its own (auto_map) or pickled weights"
    parser.add_argument("--trust_remote_code", action="store_true", help=trusted)
    parser.error = raise_input_error
    args = parser.parse_args(argv)
    output_format(args.output)
    if args.runtime not in RUNTIMES:
        raise InputError(f"--runtime {args.runtime}: give one of {', '.join(RUNTIMES)}")
    if args.resume and (args.output is None or args.file == "-"):
        raise InputError("--resume: needs an --output file, and an input file that can be read again")
    if args.output and os.path.exists(args.file) and os.path.realpath(args.file) == os.path.realpath(args.output):
        raise InputError(f"--output {args.output}: is the file to predict; give another name")
    if args.output and not args.resume and os.path.lexists(args.output):
        raise InputError(f"--output {args.output}: exists; delete it, give another name, or --resume to go on with it")
    if args.output and not os.access(os.path.dirname(args.output) or ".", os.W_OK):
        raise InputError(f"--output {args.output}: no such directory, or none that may be written to; make it first")
    if world > 1 and (args.file == "-" or args.runtime == "onnx"):
        raise InputError(f"accelerate launch: {world} processes cannot share standard input or --runtime onnx")
    return args


if __name__ == "__main__":
    sys.exit(main())
