"""Data sets of the `datasets` library become the same tables as files."""

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from ner_data import InputError
from ner_data.read import data_set_name, read_corpus

NAMES = ["O", "B-per", "I-per"]
FEATURES = Features({"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=NAMES))})
ROWS = [
    {"id": "0", "tokens": ["Ada", "Lovelace", "sings"], "ner_tags": [1, 2, 0]},
    {"id": "1", "tokens": [], "ner_tags": []},
    {"id": "2", "tokens": ["None"], "ner_tags": [0]},
]
EXPECTED = [
    {"tokens": ["Ada", "Lovelace", "sings"], "tags": ["B-per", "I-per", "O"], "row": 1},
    {"tokens": ["None"], "tags": ["O"], "row": 3},
]


@pytest.fixture
def save(tmp_path):
    """Save a data set, or {split: rows}, and return its directory."""

    def save(splits, features=FEATURES):
        if not isinstance(splits, dict):
            splits.save_to_disk(tmp_path / "data")
        else:
            splits = {split: Dataset.from_list(rows, features=features) for split, rows in splits.items()}
            DatasetDict(splits).save_to_disk(tmp_path / "data")
        return str(tmp_path / "data")

    return save


def refusal(**arguments):
    with pytest.raises(InputError) as error:
        read_corpus(**arguments, say=lambda line: None)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_ids_take_their_names_from_the_features(save):
    name, said = save({"train": ROWS, "dev": ROWS[:1], "test": ROWS[2:], "unused": ROWS}), []
    tables = read_corpus(dataset_name=name, say=said.append)
    assert list(tables) == ["train", "validation", "test"]
    assert [table.to_pylist() for table in tables.values()] == [EXPECTED, EXPECTED[:1], [EXPECTED[1] | {"row": 1}]]
    assert tables["train"].schema.field("tokens").type == pa.list_(pa.string())
    assert [line for line in said if "scheme" not in line] == [
        f"{name}/train:2: 1 row without words skipped",
        f"{name}: split 'unused' not used",
        f"{name}/validation: 1 of 1 validation sentences also stand in train ({name}/train)",
        f"{name}/test: 1 of 1 test sentences also stand in train ({name}/train)",
    ]


def test_strings_other_columns_and_schemes(save):
    features = Features({"text": List(Value("string")), "bilou": List(Value("string"))})
    rows = [
        {"text": ["Ada", "Lovelace", "sings"], "bilou": ["B-per", "L-per", "O"]},
        {"text": ["a"], "bilou": ["U-per"]},
    ]
    name = save({"train": rows, "validation": rows}, features)
    tables = read_corpus(
        dataset_name=name, word_column="text", tag_column="bilou", test_fraction=0, say=lambda line: None
    )
    assert tables["train"]["tags"].to_pylist() == [["B-per", "I-per", "O"], ["B-per"]]
    message = refusal(dataset_name=name, test_fraction=0)
    assert message == f"{name}/train: no column tokens or words or Word, there are text, bilou, set --word_column"


@pytest.mark.parametrize(("column", "values"), [("text", "Ada sings"), ("ids", [7, 8])])
def test_words_that_are_no_list_of_strings_are_refused(save, column, values):
    kinds = {"text": Value("string"), "ids": List(Value("int64"))}
    features = Features({column: kinds[column], "ner_tags": List(Value("string"))})
    name = save({"train": [{column: values, "ner_tags": ["O", "O"]}] * 9}, features)
    assert f"column {column} is not a list of strings, " in refusal(dataset_name=name, word_column=column)


def test_a_single_shuffled_data_set_is_split(save):
    rows = [{"id": str(n), "tokens": [f"w{n}"], "ner_tags": [n % 2]} for n in range(20)]
    shuffled = Dataset.from_list(rows, features=FEATURES).shuffle(seed=1)
    tables = read_corpus(dataset_name=save(shuffled), word_column="Word", tag_column="Tag", say=lambda line: None)
    assert {split: len(table) for split, table in tables.items()} == {"train": 16, "validation": 2, "test": 2}
    for row in sum((table.to_pylist() for table in tables.values()), []):
        assert row["tokens"] == shuffled[row["row"] - 1]["tokens"]


@pytest.mark.parametrize(
    ("rows", "inner", "message"),
    [
        ([{"tokens": ["a"], "ner_tags": [0]}], Value("int64"), "/train: column ner_tags has no names for its tags, Li"),
        ([{"tokens": ["a"], "ner_tags": [0, 1]}], ClassLabel(names=NAMES), "/train:1: 1 word and 2 tags, [0, 1], one "),
        ([{"tokens": ["a"], "ner_tags": [-1]}], ClassLabel(names=NAMES), "/train:1: an id without a name, -1, the ids"),
        ([{"tokens": ["a", None], "ner_tags": ["O", "O"]}], Value("string"), "/train:1: missing value in column token"),
        ([{"tokens": ["a"], "ner_tags": ["O"]}, {"tokens": ["a"], "ner_tags": None}], Value("string"),
         "/train:2: missing value in column ner_tags, None, remove the row"),
        ([{"tokens": ["a"], "ner_tags": ["O"]}, {"tokens": [" "], "ner_tags": ["O"]}], Value("string"),
         "/train:2: empty word, ' '"),
        ([{"tokens": ["a"], "ner_tags": ["B-x"]}, {"tokens": ["a"], "ner_tags": ["per"]}], Value("string"),
         "/train:2: the tag is neither O nor B- or I- and a type, 'per'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_row(save, rows, inner, message):
    name = save({"train": rows}, Features({"tokens": List(Value("string")), "ner_tags": List(inner)}))
    assert refusal(dataset_name=name).startswith(name + message)


def test_a_data_set_that_cannot_be_loaded(save, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("datasets.load_dataset", lambda *given: calls.append(given) or DatasetDict())
    refusal(dataset_name="some/one", dataset_config_name="de")
    assert calls == [("some/one", "de")]
    monkeypatch.undo()
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    message = refusal(dataset_name="nobody/nothing")
    assert message.startswith("--dataset_name nobody/nothing: cannot be loaded (")
    assert message.endswith("check --dataset_name, --dataset_config_name and the network")
    (tmp_path / "empty").mkdir()
    assert refusal(dataset_name=str(tmp_path / "empty")).startswith(
        f"--dataset_name {tmp_path}/empty: cannot be loaded ("
    )
    with monkeypatch.context() as patch:  # httpx's errors are of no type that one would think of
        patch.setattr("datasets.load_dataset", lambda *_: (_ for _ in ()).throw(Exception("403 Forbidden")))
        assert refusal(dataset_name="a/b").startswith(
            "--dataset_name a/b: cannot be loaded (Exception '403 Forbidden')"
        )
    name = save({"test": ROWS})
    assert refusal(dataset_name=name) == f"{name}: no split train, there are test, give another data set"


def test_the_usual_names_of_a_csvs_columns_are_found_too(save):
    rows = [{"Word": [f"Ada{k}", "sings"], "Tag": ["B-per", "O"]} for k in range(30)]
    name = save({"train": rows}, Features({"Word": List(Value("string")), "Tag": List(Value("string"))}))
    tables = read_corpus(dataset_name=name, word_column="Word", tag_column="Tag")
    assert tables["train"]["tags"].to_pylist()[0] == ["B-per", "O"]


def test_a_configuration_without_its_data_set_is_refused():
    assert refusal(train_file="a.csv", dataset_config_name="en") == (
        "--dataset_config_name en: give the --dataset_name that it is of"
    )


def test_files_and_a_data_set_exclude_each_other(tmp_path):
    (tmp_path / "empty").mkdir()
    assert data_set_name("a/b", {"train": None}) == "a/b"
    assert data_set_name(f"{tmp_path}/empty/", {"train": None}) == "empty"
    assert data_set_name("data/*.csv", {"train": "data/*.csv"}) == "*.csv"
    message = refusal(dataset_name="a/b", train_file="a.csv", test_file="b.csv")
    assert message == "--dataset_name a/b: given together with --train_file, --test_file, give the one or the other"
    assert refusal() == "--train_file: not given, give a file or a --dataset_name"
    assert refusal(dataset_name="a/b", format="conll").startswith("--format conll: a data set is in no file format")
