# Variables: MODEL TRAIN_FILE VALIDATION_FILE TEST_FILE OUTPUT_DIR ARGS
MODEL ?= mini
ARGS ?=
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# a flag with a path, if there is one; in quotes: a pattern for several files is the recipe's to read, not the shell's
PATH_FLAG = $(if $(2),$(1) '$(patsubst ~/%,$(HOME)/%,$(2))')
FILES = $(call PATH_FLAG,--train_file,$(TRAIN_FILE)) $(call PATH_FLAG,--validation_file,$(VALIDATION_FILE)) \
	$(call PATH_FLAG,--test_file,$(TEST_FILE))
OUTPUT = $(call PATH_FLAG,--output_dir,$(OUTPUT_DIR))
THE_MODEL = $(call PATH_FLAG,--model,$(MODEL))
GIVEN_MODEL = $(if $(filter file,$(origin MODEL)),,$(THE_MODEL))
TYPED = $(if $(findstring command line,$(origin $(1))),$($(1)))

.PHONY: help train test soak predict push audit score compare report suspects sample pretrain baselines results lint clean
.DEFAULT_GOAL := help

# a variable that nothing reads is a slip, and the target would go on without it
UNKNOWN := $(strip $(filter-out MODEL TRAIN_FILE VALIDATION_FILE TEST_FILE OUTPUT_DIR ARGS PYTHON VENV PY SHELL,\
	$(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))))
$(if $(UNKNOWN),$(error $(UNKNOWN): no variable of this Makefile; use MODEL, TRAIN_FILE, VALIDATION_FILE, TEST_FILE, OUTPUT_DIR or ARGS))

# nor is one that this target does not read
USED_BY_train := MODEL TRAIN_FILE VALIDATION_FILE TEST_FILE OUTPUT_DIR
USED_BY_pretrain := $(USED_BY_train)
USED_BY_audit := MODEL TRAIN_FILE VALIDATION_FILE TEST_FILE
USED_BY_baselines := TRAIN_FILE VALIDATION_FILE TEST_FILE
USED_BY_suspects := MODEL TRAIN_FILE
USED_BY_predict := MODEL
USED_BY_push := MODEL TEST_FILE
IDLE := $(if $(MAKECMDGOALS),$(strip $(foreach name,$(filter-out $(foreach goal,$(MAKECMDGOALS),$(USED_BY_$(goal))),\
	$(USED_BY_train)),$(if $(call TYPED,$(name)),$(name)))))
$(if $(IDLE),$(error $(IDLE): not read by make $(MAKECMDGOALS); leave it out))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "%-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'variables: MODEL TRAIN_FILE VALIDATION_FILE TEST_FILE OUTPUT_DIR ARGS'

train: $(VENV)/.run ## fine-tune, evaluate and save; without variables: the bundled corpus and encoder
	$(PY) run_ner.py $(THE_MODEL) $(FILES) $(OUTPUT) $(ARGS)

test: $(VENV)/.tests ## run the tests (a few minutes, no network)
	$(PY) -m pytest -q -rs -n 2 --dist loadfile $(ARGS)

soak: $(VENV)/.tests ## run the longer tests
	$(PY) -m pytest -q -m soak $(ARGS)

predict: $(VENV)/.run ## tag a file: make predict MODEL=runs/... ARGS="text.txt --output tagged.jsonl"
	$(PY) -m ner_eval.predict $(THE_MODEL) $(ARGS)

push: $(VENV)/.run ## push a finished run: make push MODEL=runs/... ARGS="--hub_model_id me/my-ner"
	$(PY) -m ner_eval.publish $(THE_MODEL) $(call PATH_FLAG,--test_file,$(call TYPED,TEST_FILE)) $(ARGS)

audit: $(VENV)/.run ## what is wrong with a corpus, with its line: make audit TRAIN_FILE=...
	$(PY) -m ner_data.audit $(call PATH_FLAG,--model,$(call TYPED,MODEL)) $(FILES) $(ARGS)

score: $(VENV)/.run ## score predictions: make score ARGS="gold.conll predicted.conll"
	$(PY) -m ner_eval.score $(ARGS)

compare: $(VENV)/.run ## is run A better than run B: make compare ARGS="runs/a runs/b"
	$(PY) -m ner_eval.compare $(ARGS)

report: $(VENV)/.run ## make the report of a finished run again: make report ARGS=runs/a
	$(PY) -m ner_eval.report $(ARGS)

suspects: $(VENV)/.run ## list annotations that the model contradicts: make suspects TRAIN_FILE=... ARGS="--folds 3"
	$(PY) -m ner_eval.suspects $(THE_MODEL) $(call PATH_FLAG,--train_file,$(TRAIN_FILE)) $(ARGS)

sample: $(VENV)/.run ## write the bundled corpus again (same bytes)
	$(PY) -m ner_data.sample

pretrain: $(VENV)/.run ## masked-language-model training: make pretrain OUTPUT_DIR=... ARGS="--text FILE --minutes 60"
	$(PY) -m ner_model.pretrain $(GIVEN_MODEL) $(FILES) $(OUTPUT) $(ARGS)

baselines: $(VENV)/.benchmarks ## most frequent tag and CRF on the split of a run: make baselines TRAIN_FILE=...
	$(PY) -m benchmarks.baselines $(FILES) $(ARGS)

results: $(VENV)/.run ## the README's results table from finished runs: make results ARGS="runs/a runs/b"
	$(PY) -m benchmarks.results $(ARGS)

lint: $(VENV)/.tests ## check the code's style
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

clean: ## remove the virtual environment (runs stay)
	rm -rf $(VENV)

# uv if it is there, pip otherwise; a stamp per list of packages, so that nothing is installed twice
$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: $(PYTHON) is older than Python 3.11; give another: make PYTHON=python3.12 ..." >&2; exit 2; }
	if command -v uv >/dev/null; then uv venv --seed --python $(PYTHON) --allow-existing $(VENV); \
		else $(PYTHON) -m venv $(VENV); fi
	touch $@

$(VENV)/.run: requirements.txt | $(VENV)/.venv
$(VENV)/.tests: tests/requirements.txt | $(VENV)/.run
$(VENV)/.benchmarks: benchmarks/requirements.txt | $(VENV)/.run
$(VENV)/.run $(VENV)/.tests $(VENV)/.benchmarks:
	if command -v uv >/dev/null; then VIRTUAL_ENV=$(VENV) uv pip install -r $<; \
		else $(PY) -m pip install --quiet --disable-pip-version-check -r $<; fi
	touch $@
