"""Tiny tokenizers trained here, tiny encoders built from a config: nothing is downloaded."""

import os
import tempfile

os.environ["HF_HOME"] = (HOME := tempfile.TemporaryDirectory()).name  # the user's may hold accelerate's configuration
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what is expected to the byte is a CPU's
os.environ["OMP_NUM_THREADS"] = "1"  # for models this small a second thread only waits
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
import transformers
from families import FAMILIES, write_encoder
from forked_training import ForkedTraining, weights

for name in [name for name in os.environ if name.startswith("ACCELERATE_")]:
    del os.environ[name]
torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


@pytest.fixture(scope="session", params=list(FAMILIES))
def encoder_dir(request, tmp_path_factory):
    """A directory with a tiny encoder and its tokenizer, one per family."""
    directory = tmp_path_factory.mktemp(request.param)
    write_encoder(request.param, directory)
    return str(directory)


@pytest.fixture(scope="session")
def bert_dir(tmp_path_factory):
    """A tiny cased BERT with a WordPiece tokenizer."""
    directory = tmp_path_factory.mktemp("bert")
    write_encoder("bert-cased", directory)
    return str(directory)


@pytest.fixture(scope="session")
def forked(tmp_path_factory):
    """Trainings in processes that can be killed."""
    server = ForkedTraining(tmp_path_factory.mktemp("forked"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def whole(forked, tmp_path_factory):
    """The training that nothing ended: (output directory, its `weights`, its file operations)."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    code, output = forked.run(directory, kill_at=0)
    assert code == 0, output
    operations = [line.removeprefix("operation: ") for line in output.splitlines() if line.startswith("operation: ")]
    return directory, weights(directory), operations
