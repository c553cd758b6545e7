# The words that people and CI share. The two to begin with: make demo, make test.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help docs release-check demo test test-late test-lowest test-light faults fuzz properties lint types bench coverage
.PHONY: gold messages images gallery train clean

help:
	@echo "make demo     install into $(VENV), run the embedded models on the embedded pair, write the report"
	@echo "make test     install with the test tools, run the whole test suite"
	@echo "make test-late  what make test leaves out for its length, as CI runs it after the others (some minutes)"
	@echo "make test-lowest  the quick tests on the lowest declared versions of all libraries, in .venv-lowest"
	@echo "make test-light  reports and imports without torch, as pip install evalshift has it, in .venv-light"
	@echo "make faults   kills, crashes and damaged files on purpose, and docs/reliability.md's table of what is lost"
	@echo "make fuzz     thousands of damaged and forged files of every kind, read (some minutes)"
	@echo "make properties  the tests of properties, on new examples, again and again (ROUNDS=20: half an hour)"
	@echo "make lint     ruff, and the layers of the package"
	@echo "make types    pyright"
	@echo "make bench    benchmarks, each beside what one would write without evalshift (about half an hour)"
	@echo "make coverage coverage and error rates of the headline's statistics, by simulation (eleven minutes; in parts: coverage-slope, …)"
	@echo "make gold     renew the page that tests/test_gold.py holds the report's page against"
	@echo "make messages renew tests/messages.txt, the texts of all errors (read the difference)"
	@echo "make images   make README's pictures again (needs chromium)"
	@echo "make gallery  run the examples, renew docs/gallery.md and its pictures"
	@echo "make docs     build the documentation into build/site, with all links checked"
	@echo "make release-check  build the distributions and check what a package index will show"
	@echo "make train    train the embedded models again (half a minute); MNIST=DIR with its four files: those of MNIST too"
	@echo "make clean    remove $(VENV), results and report"

demo: $(VENV)/.installed
	$(BIN)/evalshift run
	$(BIN)/evalshift report --probit

# Two processes with a thread each: quicker than one process whose threads wait for each other. Each takes a file at a
# time, in the order of tests/conftest.py.
test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# What the first leaves out for its length and is to hold at every commit all the same: real networks on all images,
# recipes and examples of the documentation, ray, offline processes.
test-late: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m late --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Old libraries warn of what newer ones beneath them no longer like, and old jaxtyping meets pytest's conftest too late.
# The gold page holds the last digits of the newest libraries.
test-lowest: $(VENV)/.installed-test
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv venv --quiet --seed --allow-existing --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip install --quiet --native-tls --python .venv-lowest/bin/python --resolution lowest-direct --editable '.[test]'
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -o filterwarnings=ignore -p no:jaxtyping \
		-o addopts="--import-mode=importlib --strict-markers --benchmark-disable" -m "not (thorough or late)" \
		--numprocesses 2 --dist loadfile --no-loadscope-reorder --deselect tests/test_gold.py tests

# What reports and imports need: no torch, and about 590 MB besides Python's compiled files; libraries may grow a little.
test-light:
	test -x .venv-light/bin/python || $(PYTHON) -m venv .venv-light
	.venv-light/bin/pip install --quiet --disable-pip-version-check --editable .
	! .venv-light/bin/python -c 'import torch' 2> /dev/null
	find .venv-light -type f ! -name '*.pyc' -printf '%s\n' | awk '{sum += $$1} END {print sum / 1e6, "MB"; exit sum > 650e6}'
	rm -rf build/light && mkdir -p build/light
	.venv-light/bin/evalshift report --published recht2019 --bootstrap 100 --format html,csv --out build/light/report
	.venv-light/bin/evalshift compare vgg19 resnet50 --published recht2019
	.venv-light/bin/evalshift run --results build/light/results 2> build/light/complaint; test $$? = 2
	grep -q 'pip install "evalshift\[run\]"' build/light/complaint

faults: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "thorough or not thorough" tests/evaluate/test_faults.py tests/evaluate/store/test_damaged_results.py
	$(BIN)/python benchmarks/faults.py

# Without the hook that checks annotations: what comes all the way to a user is looked for.
fuzz: $(VENV)/.installed-test
	EVALSHIFT_FUZZ=2000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -o addopts="--import-mode=importlib" -p no:jaxtyping tests/test_fuzz.py

# make test tries the same examples every time. It ends at the first failure; the next call begins with its example.
ROUNDS ?= 20
properties: $(VENV)/.installed-test
	for round in $$(seq $(ROUNDS)); do OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -r fE --no-header -m hypothesis \
		--hypothesis-profile new_examples --numprocesses 2 --dist load || exit 1; done

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-test
	$(BIN)/pyright

bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/bench_start.py
	$(BIN)/python benchmarks/bench_bootstrap.py
	$(BIN)/python benchmarks/bench_statistics.py
	$(BIN)/python benchmarks/bench_inference.py
	$(BIN)/python benchmarks/bench_decoding.py
	$(BIN)/python benchmarks/bench_photographs.py
	$(BIN)/python benchmarks/bench_ray.py
	$(BIN)/python benchmarks/bench_page.py
	$(BIN)/python benchmarks/bench_folder.py

# Each part can be run alone: make coverage-ranks. Each says how long it took.
COVERAGE := slope mean-drop margin diminishing
COVERAGE_SCRIPTS := robustness matched ranks shrunk_classes abilities class_difficulties clusters shifts
coverage: $(addprefix coverage-,$(COVERAGE) $(COVERAGE_SCRIPTS))

$(addprefix coverage-,$(COVERAGE)): coverage-%: $(VENV)/.installed-test
	$(BIN)/python benchmarks/coverage.py $*

$(addprefix coverage-,$(COVERAGE_SCRIPTS)): coverage-%: $(VENV)/.installed-test
	$(BIN)/python benchmarks/coverage_$*.py

messages: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile --no-loadscope-reorder --renew-messages tests
	git --no-pager diff --stat -- tests/messages.txt

gold: $(VENV)/.installed-test
	$(BIN)/python tests/gold/report.py
	git --no-pager diff --stat -- tests/gold

images: $(VENV)/.installed-test
	$(BIN)/python docs/images/make_images.py

gallery: $(VENV)/.installed-test
	$(BIN)/python docs/images/make_gallery.py

docs: $(VENV)/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

release-check: $(VENV)/.installed-test
	rm -rf build/dist
	$(BIN)/python -m hatchling build --directory build/dist
	$(BIN)/twine check --strict build/dist/*
	$(BIN)/python -m pytest -q tests/test_release.py

train: $(VENV)/.installed
	$(BIN)/python -m evalshift.testbed.digits.train
	$(if $(MNIST),$(BIN)/python -m evalshift.testbed.mnist.train --data $(MNIST))

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "evalshift needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing evalshift and its libraries into $(VENV): some minutes and up to 6 GB, the first time"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[run]'
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,docs]'
	@touch $@

clean:
	rm -rf $(VENV) results report
