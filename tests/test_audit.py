"""The audit finds what is wrong with a corpus, names its lines, and says so with its exit code."""

import contextlib
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_data.audit import audit, main, short_form
from ner_data.audit_corpus import corpus_of, part_of
from ner_data.audit_tokens import WordTokenizer, check_tokens, load_word_tokenizer
from ner_data.audit_words import MOJIBAKE, likely_typos
from ner_data.read import read_corpus, read_sentences, read_words

ROOT = Path(__file__).parent.parent
CORPORA = Path(os.environ.get("NER_CORPORA", ROOT.parent / "shared" / "data"))


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write sentences such as `Ada/B-per sings/O` into a CoNLL file in the working directory; return its name."""
    monkeypatch.chdir(tmp_path)

    def write(name, *sentences):
        lines = [word.replace("/", "\t") for sentence in sentences for word in [*sentence.split(" "), ""]]
        Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return name

    return write


def look(capsys, *arguments):
    """Run the command line with --json -> (exit code, report)."""
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def findings(report):
    """{code: (count, [(place, shown)])}."""
    places = {f["code"]: [(place["place"], place["shown"]) for place in f["places"]] for f in report["findings"]}
    return {f["code"]: (f["count"], places[f["code"]]) for f in report["findings"]}


CLEAN = (
    "Ada/B-per Byron/I-per sings/O ./O",
    "Bob/B-per King/I-per saw/O Rome/B-geo ./O",
    "Eve/B-per left/O Oslo/B-geo",
)


def test_a_clean_file(write, capsys):
    name = write("a.conll", *CLEAN)
    code, report = look(capsys, name)
    assert code == 0
    assert report == {
        "notes": ["a.conll: tag scheme BIO: 5 B-, 2 I- tags, none of them out of place"],
        "splits": {
            "corpus": {
                "sentences": 3,
                "words": 12,
                "words_per_sentence": {"least": 3, "25%": 3, "median": 4, "75%": 5, "95%": 5, "99%": 5, "most": 5},
                "entities": {"geo": 2, "per": 3},
            }
        },
        "ambiguous_surfaces": 0,
        "most_frequent_ambiguous_surfaces": [],
        "seen_entities": {},
        "tokenizer": None,
        "findings": [],
    }


def test_what_is_printed(write, capsys):
    name = write("a.conll", *CLEAN, "bob/B-geo king/I-geo saw/O Rome/B-geo ./O", "Rome/B-per")
    assert main([name]) == 1
    assert capsys.readouterr().out == (
        "a.conll: tag scheme BIO: 8 B-, 3 I- tags, none of them out of place\n"
        "corpus: 5 sentences of 4 (median), 5 (99%), 5 (most) words, 18 words, 8 entities\n"
        "  geo                       4 corpus\n"
        "  per                       4 corpus\n"
        "words that are entities of several types: 1, most often\n"
        "  Rome                                 3: geo 66.7%, per 33.3%\n"
        "tag-seen-once: 1 (tags that stand on a single word)\n"
        "  a.conll:17: 'I-geo'\n"
        "duplicate-sentence: 1 (sentences whose words, case-folded, stand in their split before)\n"
        "  a.conll:16: bob king saw Rome . (bob is B-geo; first: line 6, B-per)\n"
        "conflicting-tags: 1 (sentences that stand in their split before with other tags, each counted once)\n"
        "  a.conll:16: bob king saw Rome . (bob is B-geo; first: line 6, B-per)\n"
    )


def test_words_that_training_refuses_or_cannot_see(write, capsys):
    name = write(
        "a.conll",
        "/O \u00a0/O a\u200bb/O \u200d/O \ufeffx/O \ue000/O",
        "S\ufffdo/O CafÃ©/O donâ€™t/O Ð¿Ñ€Ð¸/O ðŸ˜€/O",
        "None/O na\u00efve/O \u0645\u06cc\u200c\u062e/O \U0001f468\u200d\U0001f469/O Â/O Ã/O CAFÉ»/O 5\u00a0000/O",
    )
    code, report = look(capsys, name, "--places", "9")
    assert code == 1
    assert findings(report) == {
        "empty-word": (2, [("a.conll:1", "''"), ("a.conll:2", r"'\xa0'")]),
        "replacement-character": (1, [("a.conll:8", "'S�o'")]),
        "unprintable-word": (
            4,
            [("a.conll:3", r"'a\u200bb'"), ("a.conll:4", r"'\u200d'"), ("a.conll:5", r"'\ufeffx'"),
             ("a.conll:6", r"'\ue000'")],
        ),
        "mojibake": (
            4,
            [("a.conll:9", "'CafÃ©'"), ("a.conll:10", "'donâ€™t'"), ("a.conll:11", "'Ð¿Ñ€Ð¸'"),
             ("a.conll:12", "'ðŸ˜€'")],
        ),
    }  # fmt: skip


def test_white_space_at_an_edge_of_a_word_is_found(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("Sentence #,Word,Tag\n1,London ,B-geo\n,is,O\n2,\u00a0Oslo,B-geo\n3,a b,O\n")
    found = findings(look(capsys, str(path))[1])["space-at-edge"]
    assert found == (2, [(f"{path}:2", "'London '"), (f"{path}:4", "'\\xa0Oslo'")])


@settings(max_examples=300, deadline=None)
@given(st.characters(categories=["L", "S", "P"], min_codepoint=0xA0).filter(
    lambda c: ord(c) < 0x180 or 0x386 <= ord(c) < 0x450 or 0x5D0 <= ord(c) < 0x660 or ord(c) >= 0x800
))  # fmt: skip
def test_what_was_utf_8_and_was_read_as_something_else_is_mojibake(character):
    as_bytes = f"a{character}b".encode()
    assert MOJIBAKE.search(as_bytes.decode("latin-1"))
    assert not MOJIBAKE.search(f"a{character}b")
    with contextlib.suppress(UnicodeDecodeError):
        assert MOJIBAKE.search(as_bytes.decode("cp1252"))


def test_tags_that_training_refuses(write, capsys):
    name = write("a.conll", "Ada/B-per Byron/I-geo x/ y/X-per", "z/b-per Bob/I-per I/B-per we/I-per you/I-per")
    code, report = look(capsys, name, "--tag_scheme", "BIO")
    assert code == 1
    assert {key: value for key, value in findings(report).items() if key != "tag-seen-once"} == {
        "empty-tag": (1, [("a.conll:3", "'' on 'x'")]),
        "ill-formed-tag": (2, [("a.conll:4", "'X-per' on 'y'"), ("a.conll:6", "'b-per' on 'z'")]),
        "illegal-transition": (2, [("a.conll:2", "'I-geo' on 'Byron'"), ("a.conll:7", "'I-per' on 'Bob'")]),
    }
    assert report["splits"]["corpus"]["entities"] == {"geo": 1, "per": 3}  # as conlleval reads them
    code, report = look(capsys, write("b.conll", "a/S-per b/B-per c/E-per d/B-per e/O"))
    assert findings(report)["illegal-transition"] == (1, [("b.conll:4", "'B-per' on 'd'")])


def test_spans_that_training_refuses(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = [
        {"text": "Ada Byron sings", "label": label} for label in ([[0, 9, "per"]], [[0, 5, "per"], [15, 20, "x"]])
    ]
    Path("a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    code, report = look(capsys, "a.jsonl")
    assert code == 1
    assert findings(report)["span-off-words"] == (
        2,
        [
            ("a.jsonl:2", "span [0, 5, 'per'] does not begin and end with a word"),
            ("a.jsonl:2", "span [15, 20, 'x'] leaves the text, which ends at 15"),
        ],
    )


def test_a_likely_typo_is_named_beside_what_is_meant(write, capsys):
    sentences = [f"w{n}/B-PER v{n}/B-ORG" for n in range(40)]
    name = write("a.conll", *sentences, "Ada/B-PRE", "Bob/B-org Bo/I-org")
    assert findings(look(capsys, name)[1])["likely-typo"] == (
        2,
        [("a.conll:121", "'PRE' (1) beside 'PER' (40)"), ("a.conll:123", "'org' (1) beside 'ORG' (40)")],
    )


@pytest.mark.parametrize(
    ("counts", "typos"),
    [
        ({"PER": 900, "PRE": 2}, {"PRE": "PER"}),
        ({"PER": 900, "PERS": 45, "PE": 1, "P": 1}, {"PERS": "PER"}),
        ({"PER": 900, "PERS": 46}, {}),
        ({"per": 10, "PER": 9, "Per": 9}, {"PER": "per", "Per": "per"}),
        ({"gpe": 1, "gpE": 1}, {}),
        ({"location": 100, "loction": 1, "lcoation": 1, "locatoin": 1, "lokation": 1, "locate": 1},
         {"loction": "location", "lcoation": "location", "locatoin": "location", "lokation": "location"}),
        ({"type1": 900, "type2": 1, "A4": 1, "A": 900}, {}),
        ({"geo": 8392, "gpe": 9, "org": 9, "per": 9, "tim": 9, "art": 9, "nat": 9, "eve": 9}, {}),
        ({"creative-work": 100, "creative_work": 3, "creativework": 2},
         {"creative_work": "creative-work", "creativework": "creative-work"}),
    ],
)  # fmt: skip
def test_what_a_likely_typo_is(counts, typos):
    assert likely_typos(counts) == typos


def test_splits(write, capsys):
    train = write("train.conll", *CLEAN, "Rome/B-geo ./O", "We/O left/O", "Ada/B-per Byron/I-per")
    test = write("test.conll", "rome/B-org ./O", "we/O left/O", "We/O left/O", "Ada/B-per", "Ada/B-per Byron/I-per !/O")
    code, report = look(capsys, "--train_file", train, "--test_file", test)
    assert code == 1
    assert list(report["splits"]) == ["train", "test"]
    assert report["splits"]["test"]["entities"] == {"geo": 0, "org": 1, "per": 2}
    assert report["seen_entities"] == {"test": 1 / 3}  # Ada Byron; neither rome nor Ada alone
    assert findings(report) == {
        "tag-seen-once": (1, [("test.conll:1", "'B-org'")]),
        "type-missing": (2, [("train.conll:9", "geo is not in test"), ("test.conll:1", "org is not in train")]),
        "duplicate-sentence": (1, [("test.conll:7", "We left (first: line 4)")]),
        "sentence-in-two-splits": (
            2,
            [
                ("test.conll:1", "rome . (rome is B-org; first: train.conll:16, B-geo)"),
                ("test.conll:4", "we left (first: train.conll:19)"),
            ],
        ),
        "conflicting-splits": (1, [("test.conll:1", "rome . (rome is B-org; first: train.conll:16, B-geo)")]),
    }


def test_documents_in_two_splits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, documents in (("train", "aab"), ("test", "cbbd")):
        rows = [f"{k},{name}{k},B-geo,{document}" for k, document in enumerate(documents)]
        Path(f"{name}.csv").write_text("Sentence #,Word,Tag,doc\n" + "\n".join(rows) + "\n")
    files = ["--train_file", "train.csv", "--test_file", "test.csv"]
    code, report = look(capsys, *files, "--group_column", "doc")
    assert code == 1
    assert findings(report) == {"document-in-two-splits": (1, [("test.csv:3", "'b' (first: train.csv:4)")])}
    assert look(capsys, *files)[0] == 0
    assert main([*files, "--group_column", "nothing"]) == 2
    assert "no column 'nothing'" in capsys.readouterr().err


def test_the_same_corpus_in_another_scheme_has_the_same_conflicts(write, capsys):
    train = write("train.conll", "Ada/B-per Byron/E-per ./O", "Bob/S-per ./O", "Rome/S-geo ./O")
    test = write("test.conll", "Ada/B-per Byron/I-per ./O", "Bob/B-geo ./O")
    _, report = look(capsys, "--train_file", train, "--test_file", test)
    found = findings(report)
    assert found["sentence-in-two-splits"][0] == 2
    assert found["conflicting-splits"] == (1, [("test.conll:5", "Bob . (Bob is B-geo; first: train.conll:5, B-per)")])


def word_level(limit=None):
    vocabulary = {"[UNK]": 0, "a": 1, "b": 2, "[CLS]": 3, "[SEP]": 4}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.Replace(tokenizers.Regex("[\u200b ]"), "")
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)]
    )
    return WordTokenizer("tiny", tokenizer, limit)


def test_what_a_tokenizer_makes_of_the_words(write):
    name = write("a.conll", f"a/O b/O \u200b/O {'ab' * 10}/O", f"a/O {'b' * 21}/O", "a/O c/O c/O")
    corpus = corpus_of([part_of("corpus", words, say=lambda line: None) for words in read_words(name)])
    facts, found = check_tokens(corpus, word_level(limit=24))
    assert facts == {"name": "tiny", "limit": 24, "subwords": 1 + 1 + 20 + 1 + 21 + 3, "unknown_share": 2 / 47}
    report = audit(corpus, word_level(limit=24))
    assert findings(report) == {
        "unprintable-word": (1, [("a.conll:3", r"'\u200b'")]),
        "beyond-limit": (
            1,
            # one position is held for the word that is deleted
            [("a.conll:1", "25 subwords: a b \u200b abababababababababab")],
        ),
        "deleted-word": (1, [("a.conll:3", r"0 subwords: '\u200b'")]),
        "cut-to-pieces": (1, [("a.conll:7", "21 subwords: 'bbbbbbbbbbbbbbbbbbbbb'")]),
    }
    assert report["tokenizer"] == facts


def test_the_tokenizer_of_a_model_directory_is_the_one_that_trains(encoder_dir):
    from ner_data.windows import special_tokens, word_pieces
    from ner_model.load import load_model, load_tokenizer, subword_limit

    words = ["Ada", "sings", "été", "10,000", "unbelievable", "\u65e5\u672c", "a.b", "\u200b"]
    loaded = load_word_tokenizer(encoder_dir)
    training = load_tokenizer(encoder_dir, [])
    encoded = loaded.tokenizer.encode_batch([[word] for word in words], is_pretokenized=True, add_special_tokens=False)
    pieces, begins, deleted = word_pieces(training, words)
    parts = [pieces[begin:end].tolist() for begin, end in zip(begins, begins[1:], strict=False)]
    assert [word.ids for word in encoded] == [[] if gone else part for part, gone in zip(parts, deleted, strict=True)]
    assert loaded.tokenizer.num_special_tokens_to_add(False) == sum(map(len, special_tokens(training)))
    model = load_model(encoder_dir, training, ["O", "B-x", "I-x"], keep_head=False)
    assert loaded.limit == subword_limit(training, model)


def test_the_model_on_the_command_line(write, bert_dir, capsys):
    code, report = look(capsys, write("a.conll", *CLEAN), "--model", bert_dir)
    assert report["tokenizer"]["name"] == bert_dir and report["tokenizer"]["subwords"] >= 12
    assert main(["a.conll", "--model", bert_dir]) == code
    assert f"{bert_dir}: {report['tokenizer']['subwords']:,} subwords, " in capsys.readouterr().out
    assert look(capsys, "a.conll", "--model", "scratch")[1]["tokenizer"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.csv"], "no.csv: no such file, check the path"),
        (["a.conll", "--train_file", "a.conll"], "a.conll: given beside files of splits, give one or the other"),
        (["a.conll", "--places", "0"], "--places 0: give 1 or more"),
        (["a.conll", "--format", "xml"], "--format xml: not known, give one of word_csv, conll, jsonl"),
        (["a.conll", "--tag_scheme", "XML"], "--tag_scheme: invalid choice: 'XML'"),
        (["a.conll", "--model", "."], "--model .: its tokenizer cannot be loaded ("),
        (["a.conll", "--word_column", "7"], "a.conll:1: no column 7, the rows have 2, set --word_column"),
        (["broken.jsonl"], "broken.jsonl:1: not JSON (Expecting value), 'Ada', write one JSON object per line"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exit_code_2(write, capsys, arguments, message):
    write("a.conll", *CLEAN)
    Path("broken.jsonl").write_text("Ada\n")
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"python -m ner_data.audit: {message}") and printed.err.count("\n") == 1


def test_the_short_form(write):
    train = write("train.conll", *CLEAN, "Rome/B-geo ./O", "We/O left/O", "Ada/B-per Byron/I-per")
    test = write("test.conll", "Rome/B-geo ./O", "Ada/B-per", "Ada/B-per Byron/I-per !/O")
    tables = read_corpus(train, test, test_fraction=0, say=lambda line: None)
    assert short_form(tables) == [
        "train: 6 sentences of 2 (median), 5 (99%), 5 (most) words, 18 words, 7 entities",
        "validation: 3 sentences of 2 (median), 3 (99%), 3 (most) words, 6 words, 3 entities",
        "entities: per 60.0%, geo 40.0%",
        "findings: 1 sentence-in-two-splits; python -m ner_data.audit on these files shows the lines",
        "leak: 1 sentence in two splits; 66.7% of validation's entities are, word for word, entities in train too",
    ]
    assert short_form({"train": tables["train"]})[-1] == "findings: none"
    plain = read_sentences(write("plain.conll", "We/O left/O"), say=lambda line: None)
    assert short_form({"train": plain, "test": plain})[2:] == [
        "entities: none",
        "findings: 1 sentence-in-two-splits; python -m ner_data.audit on these files shows the lines",
        "leak: 1 sentence in two splits",
    ]


def test_a_reader_that_has_seen_enough_is_no_traceback(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("".join(f"word{k}\tB-x{k}\n\n" for k in range(4_000)))  # more lines than a pipe holds
    command = [sys.executable, "-m", "ner_data.audit", "--places", "9999", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as audit_of:
        assert audit_of.stdout.readline().startswith(str(path))
        audit_of.stdout.close()
        assert audit_of.stderr.read() == "" and audit_of.wait() == 141


def test_what_was_found_out_is_told_before_an_error(tmp_path, capsys):
    (tmp_path / "a.csv").write_bytes('Sentence #,Word,Tag\n1,é,O\n1,"x,O\n'.encode("latin-1"))
    assert main([str(tmp_path / "a.csv")]) == 2
    out, err = capsys.readouterr()
    assert "so the whole file is read as Latin-1" in out and "a quotation mark opens this cell" in err


def test_what_no_blank_line_separates_is_refused_as_in_training(tmp_path, capsys):
    (tmp_path / "a.conll").write_text("a\tO\n" * 1200)
    assert main([str(tmp_path / "a.conll")]) == 2
    assert "no blank line, so 1,200 words would be one sentence" in capsys.readouterr().err


def test_control_characters_of_words_do_not_reach_the_terminal(tmp_path, capsys):
    record = {"tokens": ["a\nb", "\x1b[31m", "\u202e"], "tags": ["B-\x1bx", "O", "O"]}
    path = tmp_path / "a.jsonl"
    path.write_text((json.dumps(record) + "\n") * 2)
    assert main([str(path)]) == 1
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.split("\n"))
    assert "\n  \\x1bx " in printed
    assert "a\\nb \\x1b[31m \\u202e (first: line 1)" in printed


def test_the_bundled_corpus_is_clean_from_the_command_line():
    command = [sys.executable, "-m", "ner_data.audit"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nno findings\n")
    assert "leak: 0 sentences in two splits; 33.2% of validation's and 33.8% of test's entities are" in done.stdout


tokens = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\t\0"), max_size=4)
tags = st.one_of(st.sampled_from(["O", "B-per", "I-per", "B-geo", "I-geo", "E-x", "x", ""]), tokens)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(tokens, tags), min_size=1, max_size=4), min_size=1, max_size=8))
def test_whatever_words_and_tags_there_are_the_audit_counts_them(tmp_path, sentences):
    path = tmp_path / "a.jsonl"
    records = [{"tokens": [word for word, _ in pairs], "tags": [tag for _, tag in pairs]} for pairs in sentences]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = audit(corpus_of([part_of("train", words, say=lambda line: None) for words in read_words(path)]))
    found = {code: count for code, (count, _) in findings(report).items()}
    words = [word for pairs in sentences for word, _ in pairs]
    assert found.get("empty-word", 0) == sum(not word.strip() for word in words)
    assert found.get("replacement-character", 0) == sum("\ufffd" in word for word in words)
    keys = [tuple(word.casefold() for word in record["tokens"]) for record in records]
    assert found.get("duplicate-sentence", 0) == len(keys) - len(set(keys))
    controls = [word for word in words if any(unicodedata.category(letter) == "Cc" for letter in word)]
    assert found.get("unprintable-word", 0) >= len(controls)
    assert report["splits"]["train"]["words"] == len(words)


@pytest.mark.skipif(not (CORPORA / "gmb").is_dir(), reason="no corpora in NER_CORPORA or ../shared/data")
def test_gmb(capsys):
    path = str(CORPORA / "gmb" / "ner_dataset.csv")
    code, report = look(capsys, path, "--places", "30")
    assert code == 1
    found = findings(report)
    assert {name: count for name, (count, _) in found.items()} == {
        "replacement-character": 17,
        "duplicate-sentence": 30,
        "conflicting-tags": 1,
    }
    lines = {name: [int(place.removeprefix(f"{path}:")) for place, _ in places] for name, (_, places) in found.items()}
    assert lines["replacement-character"][:3] == [1788, 56464, 124885]
    assert lines["conflicting-tags"] == [182116]
    assert len(lines["duplicate-sentence"]) == 30 and lines["duplicate-sentence"][:2] == [59037, 80557]
    assert (
        "None" in read_sentences(path, say=lambda line: None)["tokens"].combine_chunks().flatten().unique().to_pylist()
    )
