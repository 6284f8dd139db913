"""Imports point one way, and `ner_data` does without torch: asserted from the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["ner_data", "ner_model", "ner_eval", "run_ner"]
FILES = [ROOT / "run_ner.py", *(path for room in ORDER[:3] for path in sorted((ROOT / room).rglob("*.py")))]


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    names = set(imported(ast.parse(path.read_text(encoding="utf-8"))))
    later = [name for name in names if name in ORDER and ORDER.index(name) > ORDER.index(room)]
    assert not later
    assert not (room == "ner_data" and names & {"torch", "transformers", "accelerate"})
