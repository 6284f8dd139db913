"""Files of tagged words are read exactly, or not at all."""

import csv
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ner_data import InputError
from ner_data.formats import word_csv
from ner_data.read import read_corpus, read_sentences, read_words, to_dataset_dict
from ner_data.split import write_split
from ner_eval.records import Source

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data"
CORPORA = Path(os.environ.get("NER_CORPORA", ROOT.parent / "shared" / "data"))
SCHEMA = pa.schema([("tokens", pa.list_(pa.string())), ("tags", pa.list_(pa.string())), ("row", pa.int64())])


def sentence(row, text):
    """`Ada/B-per sings/O` -> the row that a reader should yield."""
    pairs = [word.rsplit("/", 1) for word in text.split()]
    return {"tokens": [word for word, _ in pairs], "tags": [tag for _, tag in pairs], "row": row}


@pytest.fixture
def write(tmp_path):
    """Write bytes or text into a file and return its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(source, **arguments):
    """The rows of a source as dictionaries, and the lines that were said, but for that on the tag scheme."""
    said = []
    table = read_sentences(source, say=said.append, **arguments)
    assert table.schema == SCHEMA
    return table.to_pylist(), without_scheme(said)


def without_scheme(said):
    return [line for line in said if ": tag scheme " not in line]


ADA = [sentence(2, "Ada/B-per Lovelace/I-per sings/O"), sentence(5, "Bob/B-per sleeps/O")]
FIRST = "Sentence #,Word,Tag\n1,Ada,B-per\n,Lovelace,I-per\n,sings,O\n2,Bob,B-per\n,sleeps,O\n"
QUOTED = "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in FIRST.splitlines())


@pytest.mark.parametrize(
    "content",
    [
        FIRST,
        FIRST.rstrip("\n"),
        FIRST.replace("\n", "\r\n"),
        FIRST.replace("\n", "\r"),
        b"\xef\xbb\xbf" + FIRST.encode(),
        FIRST + "\n,,\n",
        QUOTED + '"","",""\n',
        FIRST.replace("\n,", "\n1,", 2).replace("\n,", "\n2,"),
        "Tag,x,Word,Sentence #\nB-per,?,Ada,1\nI-per,?,Lovelace,\nO,,sings,\nB-per,?,Bob,2\nO,?,sleeps,\n",
    ],
    ids=["first", "no end", "CRLF", "CR", "mark", "blank rows", "quoted", "every row", "other order"],
)
def test_every_layout_of_a_word_csv_reads_the_same(write, content):
    assert read(write("a.csv", content)) == (ADA, [])


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_are_found_and_said(write, separator, name):
    path = write("a.csv", FIRST.replace(",", separator))
    assert read(path) == (ADA, [f"{path}: the columns are separated by {name}"])


@pytest.mark.parametrize("blank", ["", ",", " ", '"",""', " , ", "\t"])
def test_blank_rows_separate_sentences_without_an_id_column(write, blank):
    content = f"Word,Tag\nAda,B-per\nLovelace,I-per\nsings,O\n{blank}\n{blank}\nBob,B-per\nsleeps,O\n{blank}\n"
    path = write("a.csv", content)
    rows, said = read(path)
    assert rows == [ADA[0], sentence(7, "Bob/B-per sleeps/O")]
    assert said == [f"{path}: no column 'Sentence #', so blank lines separate the sentences"]


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"1,€ {k},O\n1,½,O\n1,“{k}”,O\n" for k in range(40)),
        "".join(f"1,{letter},O\n" for letter in "éèàùçêîôûëïüÿœæ" * 3),
        "".join(f"1,{name},B-per\n" for name in ["Þórður", "Æðey", "Þríhyrningur", "Jökulsá", "Hvítá"] * 9),
        "".join(f"1,{word},O\n" for word in ["coração", "não", "São", "João", "créée", "öäü"] * 9),
    ],
    ids=["signs", "letters", "Icelandic", "accents"],
)
def test_western_text_is_known_however_dense_its_accents_are(write, text):
    path = write("a.csv", "")
    Path(path).write_bytes(("Sentence #,Word,Tag\n" + text).encode("cp1252"))
    said = []
    table = read_sentences(path, say=said.append)
    assert table["tokens"].to_pylist() == [[line.split(",")[1] for line in text.splitlines()]] and "read as" in said[0]


def test_words_that_look_like_tags_are_words_where_the_tags_are_tags(write):
    rows, _ = read(write("a.conll", "I-95\tB-road\nI-80\tI-road\n\nB-52\tO\nE-mail\tO\n"))
    assert rows[0]["tokens"] == ["I-95", "I-80"]
    rows, _ = read(write("a.jsonl", '{"text": "a b", "spans": [[0, 1, "E-Mail"], [2, 3, "S-Bahn"]]}\n'))
    assert rows[0]["tags"] == ["B-E-Mail", "B-S-Bahn"]


def test_blank_lines_between_rows_of_one_id_are_remarked_upon(write):
    rows, said = read(path := write("a.csv", "Sentence #,Word,Tag\n1,a,O\n1,b,O\n\n1,c,O\n\n2,d,O\n"))
    assert [row["tokens"] for row in rows] == [["a", "b", "c"], ["d"]]
    what = "1 blank line between rows of one sentence id, read as one sentence; is it the document's id?"
    assert f"{path}:5: {what}" in said


def test_blank_lines_before_the_header_count_as_lines(write):
    assert read(write("a.csv", "\n\r\nSentence #,Word,Tag\n1,Ada,B-per\n"))[0] == [sentence(4, "Ada/B-per")]


def test_columns_by_other_names(write):
    path = write("a.csv", "sid,token,label\n1,Ada,B-per\n1,sings,O\n")
    rows, _ = read(path, sentence_column="sid", word_column="token", tag_column="label")
    assert rows == [sentence(2, "Ada/B-per sings/O")]


def test_the_latin_1_fixture_in_kaggles_layout():
    path = DATA / "kaggle_latin1.csv"
    rows, said = read(path)
    assert said == [f"{path}:3: not UTF-8 (byte 0xE3), so the whole file is read as Latin-1"]
    assert rows == [
        sentence(2, 'In/O São/B-geo Paulo/I-geo ,/O "/O None/O "/O says/O Citroën/B-org ./O'),
        sentence(12, "NA/B-org paid/O £/O 10,000/O ./O"),
    ]


@pytest.mark.parametrize(("encoding", "name"), [("cp1252", "Windows-1252"), ("latin-1", "Latin-1")])
def test_what_is_not_utf_8_is_windows_1252_where_it_has_its_quotes(write, encoding, name):
    word = "don’t€" if encoding == "cp1252" else "Citroën"
    path = write("a.csv", f"Sentence #,Word,Tag\n1,{word},O\n".encode(encoding))
    rows, said = read(path)
    assert rows == [sentence(2, f"{word}/O")]
    assert len(said) == 1 and said[0].endswith(f"so the whole file is read as {name}")
    (record,) = Source(str(path), say=said.append).records(lambda text: [])
    assert record.tokens == [word] and said[1] == f"{path}: not UTF-8, so the whole file is read as {name}"


def test_bytes_that_windows_1252_has_not_are_latin_1(write):
    path = write("a.csv", b"Sentence #,Word,Tag\n1,\x93\x81,O\n")
    assert read(path)[0][0]["tokens"] == ["\x93\x81"]


@pytest.mark.parametrize("more", ["1,café,O\n".encode("latin-1"), "1,é".encode()[:-1]], ids=["two files", "cut short"])
def test_damaged_utf_8_is_not_read_as_something_else(write, more):
    path = write("a.csv", "Sentence #,Word,Tag\n1,Müller,O\n1,São,O\n".encode() + more)
    message = "not UTF-8.*, but 2 characters that are not ASCII are, so it is damaged or two files in one, mend it"
    with pytest.raises(InputError, match=f"a.csv:4: {message}"):
        read(path)
    with pytest.raises(InputError, match=f"a.csv: {message}"):
        Source(str(path))


@pytest.mark.parametrize("suffix", ["csv", "conll"])
def test_line_ends_that_were_written_twice_are_one(write, suffix):
    separator = "," if suffix == "csv" else "\t"
    header = "Word,Tag\n" if suffix == "csv" else ""
    content = header + "Ada,B-per\nLovelace,I-per\nsings,O\n\nBob,B-per\nsleeps,O\n".replace(",", separator)
    path = write(f"a.{suffix}", content.replace("\n", "\r\r\n"))
    rows, said = read(path)
    first = 2 if suffix == "csv" else 1
    assert rows == [ADA[0] | {"row": first}, sentence(first + 4, "Bob/B-per sleeps/O")]
    assert f"{path}: {content.count(chr(10))} line ends of CR CR LF, read as one each" in said
    source = Source(str(path), columns=word_csv.Columns(tag=""), say=said.append)
    assert [(record.line, record.tokens) for record in source.records(lambda text: [])] == [
        (row["row"], row["tokens"]) for row in rows
    ]
    assert f"{path}: line ends of CR CR LF, read as one each" in said


def test_a_column_that_is_only_a_little_like_the_ids_is_no_id(write):
    for name in ("Sense", "Sentiment", "Sequence", "sentence_text"):
        rows, _ = read(write("a.csv", f"Word,Tag,{name}\na,O,1\n\nb,O,2\n"))
        assert rows == [sentence(2, "a/O"), sentence(4, "b/O")]
    for name in ("sent_id", "Sentence", "sentence no", "SENTENCE_ID", "Sentense #"):
        with pytest.raises(InputError, match=f"set --sentence_column '{name}'"):
            read(write("a.csv", f"Word,Tag,{name}\na,O,1\n\nb,O,2\n"))


def test_words_stay_exactly_what_they_are(write):
    words = ["None", "NA", "null", "nan", "N/A", "007", "1e5", "true", "-", "#", " outer ", "5'10", "a\u00a0b",
             "\u200b", "\ufeff", "a\u2028b", "\x1cz", "😀", "日本", "=1+1", "\\", "\\n", "'", '"', '""', "a,b",
             ",", ";"]  # fmt: skip
    path = write("a.csv", "")
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("Sentence #", "Word", "Tag"), *((1, word, "O") for word in words)])
    assert read(path)[0][0]["tokens"] == words


def test_a_quotation_mark_inside_an_unquoted_cell_is_itself(write):
    path = write("a.csv", 'Sentence #,Word,Tag\n1,5\'10",O\n,"a ""b""",O\n,"x,y",B-t"h\n,"z\nz",O\n2,c"",O\n')
    assert read(path)[0] == [
        {"tokens": ["5'10\"", 'a "b"', "x,y", "z\nz"], "tags": ["O", "O", 'B-t"h', "O"], "row": 2},
        {"tokens": ['c""'], "tags": ["O"], "row": 7},
    ]


def test_lines_stay_exact_after_cells_of_several_lines(write):
    path = write("a.csv", 'Sentence #,Word,Note,Tag\n1,a,"one\ntwo\r\nthree",O\n\n2,b,"x\ry",O\n3,c,,O\n')
    assert [row["row"] for row in read(path)[0]] == [2, 6, 8]


def test_a_cell_of_three_megabytes_is_one_word(write):
    rows, _ = read(write("a.csv", f"Sentence #,Word,Tag\n1,{'x' * 3_000_000},O\n2,b,O\n"))
    assert [len(row["tokens"][0]) for row in rows] == [3_000_000, 1]


def test_gzip_is_read_as_it_is(write):
    packed = gzip.compress(b"Sentence #,Word,Tag\n1,Ada,B-per\n")
    assert read(write("a.csv.gz", packed))[0] == [sentence(2, "Ada/B-per")]


CONLL = "Ada\tB-per\nLovelace\tI-per\nsings\tO\n\nBob\tB-per\nsleeps\tO\n"


@pytest.mark.parametrize(
    "content",
    [
        CONLL,
        CONLL.replace("\t", " "),
        CONLL.replace("\t", "  \t ").replace("Ada  \t ", "Ada ", 1),
        CONLL.replace("\n", "\r\n"),
        CONLL.replace("\n", "\r"),
        CONLL.replace("\n\n", "\n\t\n"),
        CONLL.replace("\n\n", "\n   \n"),
        CONLL.replace("\t", "\tx\ty\t"),
        CONLL.replace("\t", " NNP x ").replace("sings", "sings"),
        CONLL.rstrip("\n"),
        CONLL + "\n\n \n",
        "\ufeff" + CONLL,
    ],
)
@pytest.mark.parametrize("suffix", ["conll", "iob2", "txt", "bio", "iob"])
def test_every_layout_of_conll_reads_the_same(write, content, suffix):
    expected = [sentence(1, "Ada/B-per Lovelace/I-per sings/O"), sentence(5, "Bob/B-per sleeps/O")]
    assert read(write(f"a.{suffix}", content)) == (expected, [])


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_comments_and_documents_are_skipped_and_words_like_them_are_not(write, separator):
    lines = ["-DOCSTART- -X- O", "", "# id 1", "# text = Ada sings O", "# B-per", "#nlp O", "# O", "Ada B-per",
             "-DOCSTART-", "-DOCSTART-x O", "#", "", "# a"]  # fmt: skip
    lines = [line.replace(" ", separator) if line in ("#nlp O", "# O", "Ada B-per", "-DOCSTART-x O") else line
             for line in lines]  # fmt: skip
    path = write("a.conll", "\n".join(lines))
    rows, said = read(path)
    comments = {" ": 4, "\t": 5}[separator]  # "# B-per" with a space is a word and its tag where spaces separate
    first = sentence(5, "#/B-per #nlp/O #/O Ada/B-per") if separator == " " else sentence(6, "#nlp/O #/O Ada/B-per")
    assert rows == [first, sentence(10, "-DOCSTART-x/O")]
    comments = f"{path}: {comments} comment lines skipped, the first is '# id 1', line 3"
    assert said == [f"{path}: 2 -DOCSTART- lines skipped", comments]


def test_a_lone_number_sign_may_be_the_only_word(write):
    assert read(write("a.conll", "#\tO\n"))[0] == [sentence(1, "#/O")]


def test_a_number_sign_is_a_word_whatever_its_tag(write):
    assert read(write("a.conll", "a\tO\n#\tproduct\n# x\tproduct\nb\tproduct\n"))[0] == [
        sentence(1, "a/O #/B-product b/I-product")
    ]


def test_a_number_sign_is_a_word_where_its_tag_is_one_of_the_others(write):
    rows, said = read(path := write("a.conll", "It O\ncost O\n# MONEY\n5 MONEY\n# comment\n# a comment\n"))
    assert rows == [sentence(1, "It/O cost/O #/B-MONEY 5/I-MONEY")]
    assert said[0] == f"{path}: 2 comment lines skipped, the first is '# comment', line 5"


def test_conll_without_words_is_refused(write):
    with pytest.raises(InputError, match="a.conll: no words, give a file with at least one sentence"):
        list(read_words(write("a.conll", "-DOCSTART- O\n\n# x\n")))


def test_conll_words_stay_exactly_what_they_are(write):
    words = ["None", "007", '"', '""', "a,b", "a b", " a", "\u00a0x", "a\u2028b", "\x0b1", "#", "😀"]
    rows, _ = read(write("a.conll", "".join(f"{word}\tO\n" for word in words)))
    assert rows[0]["tokens"] == words


UNIVERSAL = "# text = Ada sings\n1\tAda\tB-per\t-\tx\n2\tsings\tO\t-\tx\n\n# a\tb\tc\td\te\n1\tBob\tB-per\t-\tx\n"


@pytest.mark.parametrize(("word", "tag"), [("2", "3"), (2, 3), ("-4", "-3")])
def test_columns_of_conll_by_number(write, word, tag):
    rows, said = read(path := write("a.iob2", UNIVERSAL), word_column=word, tag_column=tag)
    assert rows == [sentence(2, "Ada/B-per sings/O"), sentence(6, "Bob/B-per")]
    assert said == [f"{path}: 2 comment lines skipped, the first is '# text = Ada sings', line 1"]


def test_of_conllu_several_words_together_and_words_that_are_not_there_are_skipped(write):
    lines = ["1-2 vámonos _", "1 vamos O", "2 nos O", "3 a O", "3.1 ver _", "4 Roma B-geo", "", "1 sí O"]
    text = "\n".join(lines).replace(" ", "\t")
    rows, said = read(path := write("a.conllu", text), format="conll", word_column="2", tag_column="3")
    assert rows == [sentence(2, "vamos/O nos/O a/O Roma/B-geo"), sentence(8, "sí/O")]
    what = "lines of several words together, or of a word that is not there,"
    assert said[0] == f"{path}: 2 {what} skipped, the first is '1-2\\tvámonos\\t_', line 1"
    assert len(read(write("a.conll", text.replace("_", "O")), word_column="2", tag_column="3")[0][0]["tokens"]) == 6


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tag_column": "6"}, "{path}:2: no column 6, the rows have 5, set --tag_column to 1 to 5 or -1"),
        ({"word_column": "0"}, "{path}:2: no column 0, the rows have 5, set --word_column to 1 to 5 or -1"),
        ({"tag_column": "1"}, "--tag_column 1: the same as --word_column, name two different columns"),
        ({"word_column": "-1"}, "--tag_column -1: the same as --word_column, name two different columns"),
        ({"word_column": "3", "tag_column": "-3"}, "--tag_column -3: the same as --word_column"),
        ({"word_column": "FORM"}, "--word_column FORM: not a number, CoNLL columns have numbers, 1 for the first and"),
    ],
)
def test_columns_of_conll_that_are_not_there(write, columns, message):
    path = write("a.iob2", UNIVERSAL)
    with pytest.raises(InputError) as error:
        read_sentences(path, **columns, say=lambda line: None)
    assert str(error.value).startswith(message.format(path=path))


def test_a_pattern_reads_several_files_in_the_order_of_their_names(write, tmp_path):
    write("b.csv", "Word,Tag\nBob,B-per\nsleeps,O\n")
    write("a.conll", CONLL)
    write("c.conll.gz", gzip.compress(CONLL.encode()))
    table = read_sentences(tmp_path / "?.c*", say=lambda line: None)
    assert table.schema == SCHEMA.append(pa.field("file", pa.string()))
    assert [(Path(row["file"]).name, row["row"]) for row in table.to_pylist()] == [
        ("a.conll", 1), ("a.conll", 5), ("b.csv", 2), ("c.conll.gz", 1), ("c.conll.gz", 5)
    ]  # fmt: skip
    assert table["tokens"].to_pylist()[2:4] == [["Bob", "sleeps"], ["Ada", "Lovelace", "sings"]]
    assert read_sentences(str(tmp_path / "b*"), say=lambda line: None).schema == SCHEMA
    datasets = to_dataset_dict(
        read_corpus(tmp_path / "*.c*", tmp_path / "b.csv", test_fraction=0, say=lambda line: None)
    )
    assert datasets["train"][2]["file"] == str(tmp_path / "b.csv")
    with pytest.raises(InputError, match=r"/x\*\.csv: no file matches the pattern, check it$"):
        read_sentences(tmp_path / "x*.csv")


def test_a_name_that_looks_like_a_pattern_is_the_file_of_that_name(write):
    assert read(write("a[1]*.csv", FIRST))[0] == ADA


def test_the_format_can_be_given(write):
    assert read(write("a.data", CONLL), format="conll")[0][1] == sentence(5, "Bob/B-per sleeps/O")


def test_a_data_frame_reads_as_its_file_does(write):
    content = "Sentence #,Word,Tag\n1,Ada,B-per\n,Lovelace,I-per\n,None,O\n,,\n2,Bob,B-per\n,sleeps,O\n"
    frame = pd.read_csv(write("a.csv", content), dtype=str, keep_default_na=False)
    expected = [sentence(1, "Ada/B-per Lovelace/I-per None/O"), sentence(5, "Bob/B-per sleeps/O")]
    assert read(frame) == (expected, [])
    numbered = frame.assign(**{"Sentence #": [1, None, None, None, 2.0, None]}, index=range(6)).set_index("index")
    numbered.loc[3] = None
    assert read(numbered) == (expected, [])
    assert read(frame.drop(columns="Sentence #"))[0] == expected
    assert read(frame.replace("", None).astype("category"))[0] == expected
    assert read(frame.astype("category"))[0] == expected


def test_a_data_frame_with_missing_words_is_refused(write):
    frame = pd.read_csv(write("a.csv", "Sentence #,Word,Tag\n1,Ada,B-per\n,None,O\n"))
    with pytest.raises(InputError, match="^DataFrame:2: column 'Word' is not a string, nan, read the"):
        read_sentences(frame)


texts = st.text(
    st.one_of(
        st.sampled_from("\"',;\t #ab-O😀é\u00a0\ufeff"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"),
    ),
    min_size=1,
    max_size=6,
).filter(lambda text: text.strip())
tag_names = st.one_of(st.just("O"), texts.map(lambda text: "B-" + text.strip()))
corpora = st.lists(st.lists(st.tuples(texts, tag_names), min_size=1, max_size=5), min_size=1, max_size=6)
random_files = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def cells_of(corpus):
    return [([word for word, _ in words], [tag for _, tag in words]) for words in corpus]


@random_files
@given(
    corpora,
    st.sampled_from(",;\t"),
    st.sampled_from(["first", "every", "blank"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_what_the_csv_writer_writes_is_read_back(tmp_path, corpus, separator, ids, line_end, quoting, encoding):
    rows = [["Word", "Tag", "POS"] if ids == "blank" else ["Sentence #", "Word", "Tag", "POS"]]
    starts = []
    for number, words in enumerate(corpus):
        starts.append(len(rows) + 1)
        for place, cells in enumerate(words):
            key = {"first": [number if place == 0 else ""], "every": [number], "blank": []}[ids]
            rows.append([*key, *cells, "a\tb" if place else ","])
        if ids == "blank":
            rows.append([])
    path = tmp_path / "a.csv"
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator, lineterminator=line_end, quoting=quoting).writerows(rows)
    result = read(path)[0]
    assert [(row["tokens"], row["tags"]) for row in result] == cells_of(corpus)
    assert [row["row"] for row in result] == starts


@random_files
@given(corpora, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", "\t", "  "]))
def test_what_is_written_as_conll_is_read_back(tmp_path, corpus, line_end, blank):
    lines = [f"{word}\t{tag}" for words in corpus for word, tag in [*words, ("", "")]]
    if any(line.count("\t") != 1 for line in lines):
        return
    text = line_end.join(blank if line == "\t" else line for line in lines)
    assume(not text.startswith("\ufeff"))  # a byte order mark
    path = tmp_path / "a.conll"
    path.write_bytes(text.encode())
    assert [(row["tokens"], row["tags"]) for row in read(path)[0]] == cells_of(corpus)


@random_files
@given(st.text(st.sampled_from('",\n\r ab'), max_size=30))
def test_a_random_file_is_read_as_the_csv_module_reads_it_or_refused(tmp_path, body):
    path = tmp_path / "a.csv"
    path.write_bytes(("Sentence #,Word,Tag\n0,a,O\n" + body).encode())
    try:
        rows = read(path)[0]
    except InputError as error:
        assert str(error).startswith(f"{path}:") and len(str(error).splitlines()) == 1
        return
    with open(path, newline="", encoding="utf-8") as file:
        cells = [row for row in csv.reader(file) if any(cell.strip(' \t",') for cell in row)][1:]
    assert [word for row in rows for word in row["tokens"]] == [row[1] for row in cells]


def test_blocks_of_a_few_bytes_find_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(word_csv, "BLOCK", 3)
    monkeypatch.setattr(word_csv, "AT_ONCE", 2)
    test_what_the_csv_writer_writes_is_read_back(tmp_path)
    test_a_random_file_is_read_as_the_csv_module_reads_it_or_refused(tmp_path)


def test_a_mark_that_begins_a_block_is_a_word_and_a_blank_block_is_blank(write, monkeypatch):
    monkeypatch.setattr(word_csv, "AT_ONCE", 1)
    rows, _ = read(write("a.csv", 'Word,Tag\n\ufeff,O\n\ufeff"a,O\n\n,\n\nb,O\n\n'))
    assert [row["tokens"] for row in rows] == [["\ufeff", '\ufeff"a'], ["b"]]


@random_files
@given(st.binary(max_size=60), st.sampled_from(["a.csv", "a.conll"]))
def test_random_bytes_are_read_or_refused_in_one_line(tmp_path, body, name):
    path = tmp_path / name
    path.write_bytes((b"Word,Tag\n" if name == "a.csv" else b"a\tO\n") + body)
    try:
        read(path)
    except InputError as error:
        assert str(error).startswith(f"{path}:") and len(str(error).splitlines()) == 1


def numbered(tmp_path, name, first, last):
    """A CSV with the sentences `word<n> is/O` for n in first to last."""
    path = tmp_path / name
    path.write_text("Sentence #,Word,Tag\n" + "".join(f"{n},word{n},B-x\n,is,O\n" for n in range(first, last)))
    return path


def test_what_is_missing_is_split_off_train(tmp_path):
    path = numbered(tmp_path, "a.csv", 0, 50)
    said = []
    tables = read_corpus(path, validation_fraction=0.2, test_fraction=0.1, seed=7, say=said.append)
    assert list(tables) == ["train", "validation", "test"]
    assert [len(table) for table in tables.values()] == [35, 10, 5]
    assert without_scheme(said) == [f"{path}: 50 sentences split with seed 7: 35 train, 10 validation, 5 test"]
    rows = [table["row"].to_pylist() for table in tables.values()]
    assert sorted(sum(rows, [])) == list(range(2, 102, 2)) and all(part == sorted(part) for part in rows)
    again = read_corpus(path, validation_fraction=0.2, test_fraction=0.1, seed=7, say=said.append)
    assert all(again[split].equals(tables[split]) for split in tables)


def test_a_recorded_split_is_read_again(tmp_path):
    path, other = numbered(tmp_path, "a.csv", 0, 50), numbered(tmp_path, "b.csv", 50, 54)
    first = read_corpus(path, validation_fraction=0.2, seed=7, say=lambda line: None)
    write_split(tmp_path / "split.jsonl", first)
    said, arguments = [], {"split_file": tmp_path / "split.jsonl", "say": lambda line: said.append(line)}
    tables = read_corpus(path, validation_fraction=0, **arguments)
    assert list(tables) == list(first) and all(tables[split].equals(first[split]) for split in first)
    assert without_scheme(said) == [
        f"{path}: 50 sentences split as {tmp_path}/split.jsonl says: 35 train, 10 validation, 5 test"
    ]
    with pytest.raises(InputError, match=f"^{other}:2: 4 of 4 sentences are not in {tmp_path}/split.jsonl or have"):
        read_corpus(other, **arguments)
    with pytest.raises(InputError, match=f"^{other}:2: 4 of 54 sentences are not in {tmp_path}/split.jsonl or have"):
        read_corpus(f"{tmp_path}/[ab].csv", **arguments)
    write_split(tmp_path / "split.jsonl", {"train": first["train"]})
    with pytest.raises(InputError, match=f"^{path}:[0-9]+: 15 of 50 sentences are not in"):
        read_corpus(path, **arguments)
    write_split(tmp_path / "split.jsonl", {"train": pa.concat_tables(first.values())})
    with pytest.raises(InputError, match=f"^{tmp_path}/split.jsonl: no sentence of {path} is in validation, give ano"):
        read_corpus(path, **arguments)


def test_a_recorded_split_beside_given_files(tmp_path):
    path, other = numbered(tmp_path, "a.csv", 0, 20), numbered(tmp_path, "b.csv", 0, 4)
    first = read_corpus(path, other, say=lambda line: None)
    assert [len(table) for table in first.values()] == [18, 4, 2]
    write_split(tmp_path / "split.jsonl", first)
    tables = read_corpus(path, other, split_file=tmp_path / "split.jsonl", say=lambda line: None)
    assert list(tables) == list(first) and all(tables[split].equals(first[split]) for split in first)


DOCUMENTS = "Sentence #,Word,Doc,Tag\n" + "".join(
    f"{n},word{n},{n // 5},B-x\n,is,{n // 5 if n % 3 else ''},O\n" for n in range(50)
)


def test_documents_are_read_and_stay_together(write):
    path = write("a.csv", DOCUMENTS)
    table = read_sentences(path, group_column="Doc", say=lambda line: None)
    assert table.schema == SCHEMA.append(pa.field("group", pa.string()))
    assert table["group"].to_pylist() == [str(n // 5) for n in range(50)]
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert read_sentences(frame, group_column="Doc", say=lambda line: None)["group"].equals(table["group"])
    lines = [f'{{"tokens": ["word{n}", "is"], "tags": ["B-x", "O"], "meta": {n // 5}}}\n' for n in range(50)]
    jsonl = write("a.jsonl", "".join(lines))
    assert read_sentences(jsonl, group_column="meta", say=lambda line: None)["group"].equals(table["group"])
    parts = [set(part["group"].to_pylist()) for part in read_corpus(path, group_column="Doc", say=str).values()]
    assert [len(part) for part in parts] == [8, 1, 1] and len(set.union(*parts)) == 10
    given = numbered(path.parent, "b.csv", 90, 95)
    tables = read_corpus(path, given, test_fraction=0, group_column="Doc", say=lambda line: None)
    assert tables["validation"].schema == SCHEMA  # documents matter where sentences are split off


def test_documents_that_are_not_kept_together_are_told(write, tmp_path):
    path, said = write("a.csv", DOCUMENTS), []
    given = numbered(path.parent, "b.csv", 90, 95)
    read_corpus(path, given, test_fraction=0, group_column="Doc", say=said.append)
    assert said[0] == f"--group_column Doc: of {path}; documents in {given} are not compared (make audit)"
    parts = read_corpus(path, validation_fraction=0.5, say=lambda line: None)
    write_split(tmp_path / "split.jsonl", parts)
    read_corpus(path, split_file=tmp_path / "split.jsonl", group_column="Doc", say=said.append)
    documents = [{(row - 2) // 10 for row in part["row"].to_pylist()} for part in parts.values()]
    shared = sum(sum(number in part for part in documents) > 1 for number in range(10))
    assert shared and said[-1] == (
        f"{tmp_path}/split.jsonl: {shared} documents of {path} in more than one split, as recorded"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", DOCUMENTS.replace("Doc", "doc"), "{path}:1: no column 'Doc', there are 'Sentence #', 'Word',"),
        ("a.csv", "Sentence #,Word,Doc,Tag\n1,a,x,O\n,b,y,O\n",
         "{path}:3: group 'y' within a sentence of group 'x', a sentence is in one document"),
        ("a.csv", "Sentence #,Word,Doc,Tag\n1,a,x,O\n2,b,,O\n", "{path}:3: no group, '', write the document on"),
        ("a.jsonl", '{"tokens": ["a"], "tags": ["O"]}', "{path}:1: no field `Doc` for its document, write a string"),
        ("a.jsonl", '{"tokens": ["a"], "tags": ["O"], "Doc": null}', "{path}:1: `Doc` is no document, None, write"),
        ("a.jsonl", '{"tokens": ["a"], "tags": ["O"], "Doc": "\\ud83d"}', "{path}:1: `Doc` is no document, '\\ud"),
        ("a.conll", CONLL, "--group_column Doc: {path} is CoNLL, give a word CSV or JSON lines"),
    ],
)  # fmt: skip
def test_documents_that_are_not_told(write, name, content, message):
    path = write(name, content)
    with pytest.raises(InputError) as error:
        read_corpus(path, group_column="Doc", say=lambda line: None)
    assert str(error.value).startswith(message.format(path=path)) and "\n" not in str(error.value)
    with pytest.raises(InputError, match="^--group_column Doc: give a word CSV or JSON lines, not --dataset_name$"):
        read_corpus(dataset_name=str(path.parent / "saved"), group_column="Doc")
    with pytest.raises(
        InputError, match="^--group_column Word: the same as --word_column, name two different columns$"
    ):
        read_corpus(write("b.csv", DOCUMENTS), group_column="Word", say=lambda line: None)


def test_given_files_stay_whole_and_a_fraction_of_zero_leaves_test_out(tmp_path):
    train, validation = numbered(tmp_path, "a.csv", 0, 10), numbered(tmp_path, "b.csv", 8, 12)
    said = []
    tables = read_corpus(train, validation, test_fraction=0, say=said.append)
    assert {split: len(table) for split, table in tables.items()} == {"train": 10, "validation": 4}
    assert without_scheme(said) == [f"{validation}: 2 of 4 validation sentences also stand in train ({train})"]
    said.clear()
    tables = read_corpus(train, None, validation, validation_fraction=0.2, say=said.append)
    assert {split: len(table) for split, table in tables.items()} == {"train": 8, "validation": 2, "test": 4}
    assert without_scheme(said) == [
        f"{validation}: 2 of 4 test sentences also stand in train ({train})",
        f"{train}: 10 sentences split with seed 42: 8 train, 2 validation",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation_fraction": 0}, "--validation_fraction 0: no sentences to validate on, give a --validation_file"),
        ({"validation_fraction": 1}, "--validation_fraction 1: not in [0, 1)"),
        ({"test_fraction": -0.1}, "--test_fraction -0.1: not in [0, 1)"),
        ({"test_fraction": float("nan")}, "--test_fraction nan: not in [0, 1)"),
        ({"validation_fraction": 0.5, "test_fraction": 0.5},
         "--validation_fraction 0.5 and --test_fraction 0.5: leave no sentence for train"),
        ({"validation_fraction": 0.1}, "--validation_fraction 0.1: leaves no sentence for validation, {path} has 4"),
        ({"validation_fraction": 0.3, "test_fraction": 0.01},
         "--test_fraction 0.01: leaves no sentence for test, {path} has 4 sentences, give a --test_file or another"),
        ({"validation_fraction": 0.95, "test_fraction": 0},
         "--validation_fraction 0.95: leaves no sentence for train, {path} has 4"),
    ],
)  # fmt: skip
def test_fractions_that_leave_nothing_are_refused_by_name(tmp_path, arguments, message):
    path = numbered(tmp_path, "a.csv", 0, 4)
    with pytest.raises(InputError) as error:
        read_corpus(path, **({"test_fraction": 0.3} | arguments), say=lambda line: None)
    assert str(error.value).startswith(message.format(path=path)) and "\n" not in str(error.value)


def test_the_tables_become_a_dataset_dict(tmp_path):
    tables = read_corpus(numbered(tmp_path, "a.csv", 0, 20), say=lambda line: None)
    datasets = to_dataset_dict(tables)
    assert {split: len(dataset) for split, dataset in datasets.items()} == {"train": 16, "validation": 2, "test": 2}
    assert datasets["train"][:] == tables["train"].to_pydict()
    assert [str(type(feature).__name__) for feature in datasets["train"].features.values()] == ["List", "List", "Value"]


def test_reading_imports_neither_torch_nor_datasets():
    code = "import sys, ner_data.read; print(sorted({'torch', 'datasets', 'transformers'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.skipif(
    not (CORPORA / "wnut17").is_dir() or not (CORPORA / "gmb").is_dir(),
    reason="no corpora in NER_CORPORA or ../shared/data",
)
@pytest.mark.parametrize(
    ("name", "sentences", "words"),
    [
        ("gmb/ner_dataset.csv", 10_928, 238_665),
        ("wnut17/train.conll", 3_394, 62_730),
        ("wnut17/dev.conll", 1_009, 15_733),
        ("wnut17/test.conll", 1_287, 23_394),
    ],
)
def test_real_corpora_have_the_known_sizes(name, sentences, words):
    table = read_sentences(CORPORA / name)
    assert (len(table), len(table["tokens"].combine_chunks().flatten())) == (sentences, words)
