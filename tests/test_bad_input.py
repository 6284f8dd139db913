"""Damaged files and wrong flags: each is refused in one line that names the place, the value and the fix."""

import gzip
import os

import pytest

from ner_data import InputError
from ner_data.read import read_sentences

HEADER = "Sentence #,Word,POS,Tag\n"
OPENS = "a quotation mark opens this cell and "
OFF_WORDS = "a span does not begin and end with a word, "
NEITHER = "the tag is neither O nor B- or I- and a type, "
GOOD = "Sentence #,Word,Tag\n1,Ada,B-per\n,sings,O\n"

# name of the file, its content, the line of the fault (None: the whole file), what the message says after it
DAMAGED_CSV = {
    "empty": ("a.csv", "", 1, "the file is empty (0 bytes), give a file"),
    "only blank lines": ("a.csv", "\n \r\n\t\n", 1, "the file is empty (6 bytes)"),
    "only a byte order mark": ("a.csv", b"\xef\xbb\xbf\n", 1, "the file is empty"),
    "header only": ("a.csv", HEADER, 1, "a header and no rows, add one row per word"),
    "header and blank rows": ("a.csv", "\n" + HEADER + ",,,\n\n", 2, "a header and no rows"),
    "no header": ("a.csv", "Sentence: 1,Ada,NNP,B-per\n", 1, "no header, there are 'Sentence: 1', 'Ada', 'NNP',"),
    "no header, no ids": ("a.csv", "Ada,B-per\nsings,O\n", 1,
                          "no header, there are 'Ada', 'B-per', add a header line, or where this is a word and"),
    "word column missing": ("a.csv", "Sentence #,Token,Tag\n1,Ada,O\n", 1,
                            "no column 'Word', there are 'Sentence #', 'Token', 'Tag', name it with --word_column"),
    "word column in another case": ("a.csv", "Sentence #,word,Tag\n1,Ada,O\n", 1,
                                    "no column 'Word', there are 'Sentence #', 'word', 'Tag', set --word_column"),
    "tag column missing": ("a.csv", "Sentence #,Word,Tags\n1,Ada,O\n", 1,
                           "no column 'Tag', there are 'Sentence #', 'Word', 'Tags', set --tag_column 'Tags'"),
    "id column by another name": ("a.csv", "sentence_id,Word,Tag\n1,Ada,O\n", 1,
                                  "no column 'Sentence #', there are 'sentence_id', 'Word', 'Tag', "
                                  "set --sentence_column 'sentence_id'"),
    "nothing separates the sentences": ("a.csv", "doc,Word,Tag\n" + "1,Ada,O\n" * 501, 2,
                                        "neither a column of sentence ids nor a blank line, so 501 words would be"),
    "two columns of one name": ("a.csv", "Sentence #,Word,Word,Tag\n1,Ada,Ada,O\n", 1,
                                "two columns named 'Word', rename or delete one of them"),
    "unknown separator": ("a.csv", GOOD.replace(",", "|"), 1,
                          "one column where two or more are needed, 'Sentence #|Word|Tag', separate the cells by"),
    "two columns of other names": ("a.csv", "sentence,word,Tag\n1,a,O\n", 1,
                                   "no column 'Sentence #', there are 'sentence', 'word', 'Tag', set --sentence_column"
                                   " 'sentence'; so with --word_column"),
    "letters behind": ("a.csv", GOOD.replace("B-per", "PER-B") + ",x,PER-I\n", 2,
                       "the tag is neither O nor B- or I- and a type, 'PER-B', write 'B-PER'"),
    "letters and slashes": ("a.csv", GOOD.replace("B-per", "B/PER") + ",x,I/PER\n", 2,
                            "the tag is neither O nor B- or I- and a type, 'B/PER', write 'B-PER'"),
    "a sentence in a row": ("a.csv", "Sentence #,Word,Tag\n1,Ada sings,B-per O\n", 2,
                            "the tag is neither O nor B- or I- and a type, 'B-per O', give each word a row of its own"),
    "too few cells": ("a.csv", GOOD + ",again\n", 4, "2 cells where the header has 3, ',again', add the missing ones"),
    "one cell": ("a.csv", GOOD + "again\n", 4, "1 cell where the header has 3, 'again', add"),
    "too many cells": ("a.csv", GOOD + ",10,000,O\n", 4,
                       "4 cells where the header has 3, ',10,000,O', quote a cell that holds the separator"),
    "too many cells at first": ("a.csv", "Sentence #,Word,Tag\n1,Ada,O,x\n1,is,O,\n", 2, "4 cells where the"),
    "ragged after a cell of three lines": ("a.csv", HEADER + '1,a,"x\ny\nz",O\n,b\n', 5, "2 cells where the"),
    "ragged with CRLF": ("a.csv", (GOOD + ",x\n").replace("\n", "\r\n"), 4, "2 cells where the header has 3, ',x'"),
    "ragged with CR": ("a.csv", (GOOD + ",x\n").replace("\n", "\r"), 4, "2 cells where the header has 3, ',x'"),
    "a quotation mark without its tag": ("a.csv", GOOD + '""""\n', 4, "1 cell where the header has 3, '\"\"\"\"', add"),
    "unclosed quote": ("a.csv", GOOD + ',",O\n,x,O\n', 4,
                       OPENS + "it is never closed, '\",O', write a quotation mark"),
    "a lone quote that another one closes": ("a.csv", GOOD + ',",O\n,x,O\n,",O\n', 4,
                                             OPENS + "it runs over whole rows to line 6"),
    "a lone quote before a quoted cell": ("a.csv", GOOD + ',",O\n,"10,000",O\n', 4,
                                          OPENS + "text follows the closing mark on line 5"),
    "text after a quoted cell": ("a.csv", GOOD + ',"x"y,O\n', 4,
                                 OPENS + "text follows the closing mark on line 4, '\"x\"y,O'"),
    "NUL byte": ("a.csv", GOOD + ",a\0b,O\n", 4, "NUL byte (byte 43 of the file), not a text file or damaged"),
    "UTF-16 with a mark": ("a.csv", GOOD.encode("utf-16"), 1, "UTF-16 text (it starts with bytes FF FE)"),
    "Cyrillic of Windows": ("a.csv", (GOOD + "".join(f",{word},O\n" for word in ["Москва"] * 9)).encode("cp1251"), 4,
                            "not UTF-8 (byte 0xCC), nor Western text: of 91 letters 45 follow one another that are"),
    "UTF-16 big end first": ("a.csv", b"\xfe\xff" + GOOD.encode("utf-16-be"), 1, "UTF-16 text (it starts with"),
    "UTF-32 with a mark": ("a.csv", GOOD.encode("utf-32"), 1,
                           "UTF-32 text (it starts with bytes FF FE 00 00), convert it: iconv -f UTF-32 -t UTF-8"),
    "UTF-32 without a mark": ("a.csv", GOOD.encode("utf-32-le"), 1, "UTF-32 text (three of four bytes are NUL), conv"),
    "UTF-16 without a mark": ("a.csv", GOOD.encode("utf-16-le"), 1, "UTF-16 text (every other byte is NUL)"),
    "unknown prefix": ("a.csv", GOOD + ",x,X-per\n", 4, NEITHER + "'X-per', write O"),
    "type without prefix": ("a.csv", GOOD + ",x,per\n", 4, NEITHER + "'per', write O"),
    "prefix without type": ("a.csv", GOOD + ",x,B-\n", 4, NEITHER + "'B-', write O"),
    "underscore": ("a.csv", GOOD + ",x,B_per\n", 4, NEITHER + "'B_per', write 'B-per'"),
    "small letters": ("a.csv", GOOD + ",x,o\n", 4, NEITHER + "'o', write 'O'"),
    "zero for O": ("a.csv", GOOD + ",x,0\n", 4, NEITHER + "'0', write 'O'"),
    "a blank after the tag": ("a.csv", GOOD + ",x,B-per \n", 4,
                              NEITHER + "'B-per ', write 'B-per'"),
    "empty tag": ("a.csv", GOOD + ",x,\n", 4, "empty tag, '', write O"),
    "empty word": ("a.csv", GOOD + ",,O\n", 4, "empty word, '', write the word or delete the row"),
    "empty word after lines": ("a.csv", HEADER + '1,a,"x\ny",O\n\n2,,x,O\n', 5, "empty word, ''"),
    "a blank line and no id": ("a.csv", GOOD + "\n,x,O\n,y,O\n", 5,
                               "no sentence id after a blank line, write the id on the first row of each sentence, or"),
    "all letters behind": ("a.csv", "Sentence #,Word,Tag\n1,EU,ORG-B\n,in,O\n,x,LOC-B\n", 2, NEITHER + "'ORG-B', wri"),
    "blank word": ("a.csv", GOOD + ", ,O\n", 4, "empty word, ' '"),
    "no-break space": ("a.csv", GOOD + ",\u00a0,O\n", 4, "empty word, '\\xa0'"),
    "an id without a word": ("a.csv", GOOD + "2,,\n", 4, "empty word, ''"),
    "no id on the first row": ("a.csv", "Sentence #,Word,Tag\n\n,Ada,O\n1,is,O\n", 3,
                               "the first row has no sentence id, '', write the id on the first row of each sentence"),
    "an id comes back": ("a.csv", GOOD + "2,x,O\n1,y,O\n", 5,
                         "sentence id '1' comes back, it began on line 2, give each sentence its own id"),
    "an id comes back on every row": ("a.csv", "Sentence #,Word,Tag\n1,a,O\n1,b,O\n2,c,O\n1,d,O\n", 5,
                                      "sentence id '1' comes back, it began on line 2"),
    "ids on some further rows": ("a.csv", "Sentence #,Word,Tag\n1,a,O\n,b,O\n1,c,O\n", 4,
                                 "sentence id '1' comes back, it began on line 2"),
    "one endless line": ("a.csv", "x" * 200_000, 1, "a first line of over 100,000 bytes, give a CSV file"),
    "not gzip": ("a.csv.gz", GOOD, None, "the gzip data is damaged or cut short (Not a gzipped file"),
    "gzip cut short": ("a.csv.gz", gzip.compress(GOOD.encode())[:-12], None, "the gzip data is damaged or cut short"),
    "a sheet": ("a.xlsx", "PK", None, "no format has the suffix '.xlsx', save the sheet as CSV (UTF-8)"),
    "unknown suffix": ("a.xyz", "PK", None, "no format has the suffix '.xyz', say what it is with --format, or rename"),
}  # fmt: skip

DAMAGED_CONLL = {
    "an underscore for O": ("a.conll", "Ada per\nis _\nno O\n", 2, "the tag is neither O nor a type, '_', write 'O'"),
    "nothing separates the sentences": ("a.conll", "a\tO\n" * 501, 1, "no blank line, so 501 words would be one sen"),
    "empty": ("a.conll", "", 1, "the file is empty"),
    "one column": ("a.conll", "Ada\tB-per\nsings\n", 2,
                   "1 column where the first row, line 1, has 2, 'sings', write the word first and its tag last"),
    "one column at first": ("a.conll", "\nAda\nsings O\n", 2, "1 column where there must be two or more, 'Ada', write"),
    "a word with its tag lost that looks like a comment": ("a.conll", "Ada\tO\n#nlp\n", 2, "1 column where the first"),
    "three columns of two": ("a.conll", "Ada O\n\nNew York B-loc\n", 3, "3 columns where the first row, line 1, has 2"),
    "a space for the tab": ("a.conll", "Ada\tO\nBob O\n", 2, "1 column where the first row, line 1, has 2, 'Bob O'"),
    "two tabs": ("a.conll", "Ada\tO\nBob\t\tO\n", 2, "3 columns where the first row, line 1, has 2"),
    "empty tag": ("a.conll", "Ada\tO\nBob\t\n", 2, "empty tag, '', write O"),
    "empty word": ("a.conll", "Ada\tO\n\tO\n", 2, "empty word, ''"),
    "the tag before the word": ("a.conll", "\nO\twhat\nB-ACTOR\tTom\nI-ACTOR\tHanks\n", 2, "all words look like tags, "
                                "['O', 'B-ACTOR', 'I-ACTOR'], give --word_column and --tag_column the other way round"),
    "bad tag": ("a.conll", "Ada O\r\n\r\nBob E\r\n", 3, NEITHER + "'E'"),
    "bad tag with CR": ("a.conll", "Ada O\r\rBob E\r", 3, NEITHER + "'E'"),
    "only comments": ("a.conll", "# a\n# b\n", None, "no words, give a file with at least one sentence"),
    "only documents": ("a.conll", "-DOCSTART- O\n\n", None, "no words, give a file with at least one sentence"),
    "CSV": ("a.conll", GOOD, 2, "1 column where the first row, line 1, has 2, '1,Ada,B-per', write the word"),
    "UTF-16": ("a.conll", "Ada\tO\n".encode("utf-16"), 1, "UTF-16 text"),
    "NUL byte": ("a.conll", "Ada\tO\nB\0b\tO\nxxxx\tO\n", 2, "NUL byte"),
}  # fmt: skip

TOKENS = '{"tokens": ["Ada", "sings"], "tags": ["B-per", "O"]}\n'
DAMAGED_JSONL = {
    "two fields with tags": ("a.jsonl", '{"tokens": ["a"], "tags": ["B-NP"], "labels": ["O"]}', 1,
                             "tags both in `tags` and in `labels`, leave one of them out"),
    "empty": ("a.jsonl", "", 1, "the file is empty"),
    "cut short": ("a.jsonl", TOKENS + TOKENS[:30], 2, "not JSON (Unterminated string starting at), "),
    "not JSON": ("a.jsonl", TOKENS + "Ada B-per\n", 2, "not JSON (Expecting value), 'Ada B-per', write one JSON objec"),
    "two objects on a line": ("a.jsonl", TOKENS.strip() + TOKENS, 1, "not JSON (Extra data), "),
    "an array of everything": ("a.json", "[" + TOKENS.strip() + "]", 1, "not a JSON object, [{"),
    "printed over lines": ("a.json", '{\n "tokens": ["a"]}\n', 1, "not JSON (Expecting property name enclosed in doub"),
    "a number of many digits": ("a.jsonl", "1" * 5000, 1, "not JSON (Exceeds the limit (4300 digits) for integer"),
    "prefixes on spans": ("a.jsonl", TOKENS + '{"text": "New York", "label": [[0, 3, "B-geo"], [4, 8, "I-geo"]]}', 2,
                          "spans of the types 'B-geo' and 'I-geo', write one span for each entity, and 'geo' as its"),
    "nested too deep": ("a.jsonl", TOKENS + "[" * 100_000, 2, "not JSON (nested too deep), '[["),
    "another layout": ("a.jsonl", TOKENS + '{"sentence": "Ada"}\n', 2,
                       "none of the known layouts, the keys are 'sentence', give `tokens` and `ner_tags`, `text` and"),
    "no keys": ("a.jsonl", "{}", 1, "none of the known layouts, the keys are none, give"),
    "text without spans": ("a.jsonl", '{"text": "Ada"}', 1, "none of the known layouts, the keys are 'text', give"),
    "fewer tags": ("a.jsonl", '{"tokens": ["a", "b"], "tags": ["O"]}', 1, "2 words and 1 tag, ['O'], write one tag pe"),
    "ids without names": ("a.jsonl", TOKENS + '{"tokens": ["a"], "ner_tags": [3]}', 2,
                          "`ner_tags` holds ids without names, [3], put a line {\"label_names\": [\"O\", \"B-per\", ."),
    "ids and strings": ("a.jsonl", '{"tokens": ["a", "b"], "tags": [0, "O"]}', 1, "`tags` is not a list of strings or"),
    "true for a tag": ("a.jsonl", '{"tokens": ["a"], "tags": [true]}', 1, "`tags` is not a list of strings or of ids"),
    "tags as a string": ("a.jsonl", '{"tokens": ["a"], "tags": "O"}', 1, "`tags` is not a list of strings or of ids, "),
    "null for a word": ("a.jsonl", '{"tokens": ["a", null], "tags": ["O", "O"]}', 1, "`tokens` is not a list of strin"),
    "a number for a word": ("a.jsonl", '{"tokens": [7], "tags": ["O"]}', 1, "`tokens` is not a list of strings, [7]"),
    "an empty word": ("a.jsonl", TOKENS + '{"tokens": [""], "tags": ["O"]}', 2, "empty word, ''"),
    "no words": ("a.jsonl", TOKENS + '{"tokens": [], "tags": []}', 2, "no words, "),
    "offsets of JavaScript": ("a.jsonl", '{"text": "😀😀 Ada met", "spans": [[5, 8, "x"]]}', 1,
                              OFF_WORDS + "[5, 8, 'x'], its offsets seem to count UTF-16 units, count characters"),
    "offsets of bytes": ("a.jsonl", '{"text": "Jörg Müller viel", "spans": [[6, 13, "x"]]}', 1,
                         OFF_WORDS + "[6, 13, 'x'], its offsets seem to count bytes of UTF-8, count characters"),
    "offsets of nothing": ("a.jsonl", '{"text": "Jörg Müller", "spans": [[1, 4, "x"]]}', 1,
                           OFF_WORDS + "[1, 4, 'x'], correct it, or give --repair"),
    "types and O": ("a.jsonl", '{"text": "a b", "spans": [[0, 1, "O"], [2, 3, "I-y"]]}', 1, "a span of the type "),
    "types with a prefix": ("a.jsonl", '{"text": "a b", "spans": [[0, 1, "B-x"], [2, 3, "B-y"]]}', 1,
                            "a span of the type 'B-x', which is a tag, write a span for each entity and its type"),
    "no words in the text": ("a.jsonl", '{"text": " ", "spans": []}', 1, "no words, "),
    "a bad tag": ("a.jsonl", TOKENS + '{"tokens": ["a"], "tags": ["X-per"]}', 2, NEITHER + "'X-per'"),
    "half a surrogate pair": ("a.jsonl", TOKENS + '{"tokens": ["\\ud83d"], "tags": ["O"]}', 2, "half a surrogate pair"),
    "text that is no string": ("a.jsonl", '{"text": 7, "spans": []}', 1, "`text` is not a string, 7, write the text"),
    "spans that are no list": ("a.jsonl", '{"text": "a", "spans": {"a": 1}}', 1, "the spans are not a list, {'a': 1}"),
    "a span of two": ("a.jsonl", '{"text": "a", "spans": [[0, 1]]}', 1, "not a span, [0, 1], write [start, end, type]"),
    "a span of words": ("a.jsonl", '{"text": "a", "spans": [["0", "1", "x"]]}', 1, "not a span, ['0', '1', 'x'], writ"),
    "a span without a type": ("a.jsonl", '{"text": "a", "spans": [{"start": 0, "end": 1}]}', 1, "not a span, {'start'"),
    "a span within a word": ("a.jsonl", TOKENS + '{"text": "Ada", "label": [[0, 2, "x"]]}', 2,
                             "a span does not begin and end with a word, [0, 2, 'x'], correct it, or give --repair"),
    "a span with a blank": ("a.jsonl", '{"text": "Ada is", "label": [[0, 4, "x"]]}', 1, "a span does not begin and en"),
    "spans that overlap": ("a.jsonl", '{"text": "a b", "label": [[0, 3, "x"], [2, 3, "y"]]}', 1,
                           "a span overlaps another one, [2, 3, 'y'], correct it"),
    "a span after the text": ("a.jsonl", '{"text": "Ada", "label": [[0, 4, "x"]]}', 1, "a span leaves the text, which"),
    "a span before the text": ("a.jsonl", '{"text": "Ada", "label": [[-3, 3, "x"]]}', 1, "a span leaves the text"),
    "an empty span": ("a.jsonl", '{"text": "Ada", "label": [[1, 1, "x"]]}', 1, "a span ends where it starts, or befor"),
    "GLiNER beyond the words": ("a.jsonl", '{"tokenized_text": ["a"], "ner": [[0, 1, "x"]]}', 1, "a span leaves the t"),
    "UTF-16": ("a.jsonl", TOKENS.encode("utf-16"), 1, "UTF-16 text"),
    "gzip cut short": ("a.jsonl.gz", gzip.compress(TOKENS.encode())[:-9], None, "the gzip data is damaged or cut shor"),
}  # fmt: skip
TABLES = {"csv": DAMAGED_CSV, "conll": DAMAGED_CONLL, "jsonl": DAMAGED_JSONL}


def refusal(path, **arguments):
    """The message with which `path` is refused."""
    with pytest.raises(InputError) as error:
        read_sentences(path, say=lambda line: None, **arguments)
    message = str(error.value)
    assert len(message.splitlines()) == 1 and len(message) < 400 + len(str(path))
    return message


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [pytest.param(*case, id=f"{format}: {cause}") for format, table in TABLES.items() for cause, case in table.items()],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path, name, content, line, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    place = f"{path}: " if line is None else f"{path}:{line}: "
    assert refusal(path).startswith(place + message)


def test_a_file_that_is_not_there_and_what_is_no_file(tmp_path):
    assert refusal(tmp_path / "no.csv") == f"{tmp_path}/no.csv: no such file, check the path"
    (tmp_path / "d.csv").mkdir()
    assert refusal(tmp_path / "d.csv") == f"{tmp_path}/d.csv: is a directory, give the path of one file in it"
    os.mkfifo(tmp_path / "pipe.csv")
    assert refusal(tmp_path / "pipe.csv").startswith(f"{tmp_path}/pipe.csv: is not a regular file")
    (tmp_path / "a.csv").touch()
    assert refusal(tmp_path / "a.csv" / "b.csv").startswith(f"{tmp_path}/a.csv/b.csv: cannot be read (Not a directory)")
    assert refusal("a\0.csv").startswith("a\0.csv: cannot be read (embedded null byte")


def test_a_file_without_read_permission(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(GOOD)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file (root)")
    assert refusal(path).startswith(f"{path}: cannot be read (Permission denied), check the path and its permissions")


def test_a_column_cannot_be_named_for_two_things(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(GOOD)
    message = "--tag_column Word: the same as --word_column, name two different columns"
    assert refusal(path, tag_column="Word") == message
    assert refusal(path, sentence_column="sid").startswith(f"{path}:1: no column 'sid', there are 'Sentence #', 'Word'")
