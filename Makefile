# What people and CI run. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(TARGET)/debug/taffrail
VENV := .cache/venv

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: demo
demo: ui build ## Build everything and start a server with a recorded day of attacks in it
	"$(BINARY)" demo

.PHONY: build
build: ## The binary, in the profile that tests use
	$(CARGO) build --locked -p taffrail

.PHONY: release
release: ui ## The binary, for use
	$(CARGO) build --locked --release -p taffrail

ui/node_modules: ui/package-lock.json
	cd ui && npm ci --no-audit --no-fund
	touch node_modules

.PHONY: ui
ui: ui/node_modules ## The portal's assets, embedded by the next build
	cd ui && npm run build

.PHONY: test
test: lint ui build test-rust test-rules test-language test-ui test-clients test-portal ## Set up what the tests need and run them all

.PHONY: lint
lint: $(VENV)/.done ## Formatting, spelling, dependency policy
	@$(CARGO) fmt --all --check
	$(VENV)/bin/typos
	if command -v cargo-deny >/dev/null; then $(CARGO) deny --locked check bans licenses sources; else echo "SKIPPED: cargo-deny is not installed (cargo install cargo-deny)"; fi

.PHONY: clippy
clippy: ## Clippy over our own crates; dependencies are taken as they were built
	RUSTC_WORKSPACE_WRAPPER="$$(rustup which clippy-driver)" $(CARGO) build --locked --workspace

.PHONY: test-rust
test-rust: ## Unit, property and end-to-end tests in Rust
	$(CARGO) test --locked --workspace

CRASH_ROUNDS ?= 500
.PHONY: crash
crash: ## CRASH_ROUNDS rounds of SIGKILL under load: nothing acknowledged is lost or doubled, the chain is whole
	LAKE_CRASH_ROUNDS=$(CRASH_ROUNDS) $(CARGO) test --locked -p taffrail-lake --test lake crash::acknowledged -- --nocapture

.PHONY: test-rules
test-rules: build ## Every detection rule: lint, and its test events
	"$(BINARY)" rules lint
	"$(BINARY)" rules test

tests/language/node_modules: tests/language/package-lock.json
	cd tests/language && npm ci --no-audit --no-fund
	touch node_modules

.PHONY: test-language
test-language: build tests/language/node_modules ## Our checker beside the language's own analyser, over every query there is
	cd tests/language && TAFFRAIL="$(abspath $(BINARY))" node --test

.PHONY: test-ui
test-ui: ui/node_modules ## Types and unit tests of the portal
	cd ui && npm run typecheck && npm test && npm run size

$(VENV)/.done: tests/clients/requirements.txt tests/tools.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt -r tests/tools.txt
	touch $@

tests/clients/node_modules: tests/clients/package-lock.json
	cd tests/clients && npm ci --no-audit --no-fund
	touch node_modules

DEBIAN_PACKAGES := rsyslog rsyslog-elasticsearch rsyslog-gnutls libestr0 libfastjson4 liblognorm5 syslog-ng-core syslog-ng-mod-http \
	libivykis0 prometheus prometheus-alertmanager
.cache/debian/.done: tests/debian Makefile
	@if command -v apt-get >/dev/null && tests/debian .cache/debian $(DEBIAN_PACKAGES) 2>.cache/debian.log; then
	  touch $@
	else
	  echo "SKIPPED: Debian's packages could not be fetched; tests of their programs are left out where these are not installed"
	fi

.PHONY: debian
debian: .cache/debian/.done ## Debian's rsyslog, syslog-ng, prometheus and alertmanager, unpacked for the tests and not installed

.PHONY: test-clients
test-clients: build $(VENV)/.done tests/clients/node_modules debian ## Real clients of the query protocols and of every way in against a real server
	TAFFRAIL_BINARY="$(abspath $(BINARY))" tests/with-demo "$(BINARY)" $(VENV)/bin/python -m pytest -q -rs tests/clients
	tests/with-data "$(abspath $(BINARY))" $(VENV)/bin/python -m pytest -q tests/clients/test_open_files.py

.PHONY: chromium
chromium:
	@if ! command -v chromium >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium) >/dev/null
	fi

.PHONY: test-portal
test-portal: ui build chromium ## The portal in a real browser on a real server
	@if command -v chromium >/dev/null; then
	  tests/with-demo "$(BINARY)" npm --prefix ui run e2e
	else
	  echo "SKIPPED: the portal's browser tests need Debian's chromium, which is not installed"
	fi

.PHONY: bench-decoders
bench-decoders: ## How fast the decoders are, on one core
	$(CARGO) bench --locked -p taffrail-sources

FUZZ_SECONDS ?= 300
.PHONY: fuzz
fuzz: ## Every decoder's fuzz target for FUZZ_SECONDS, from the samples and what was found before
	@cd fuzz
	for target in $$(cargo +nightly fuzz list); do
	  mkdir -p "corpus/$$target"
	  seeds="../crates/sources/tests/data/$$target"
	  cargo +nightly fuzz run "$$target" "corpus/$$target" $$([ -d "$$seeds" ] && echo "$$seeds") -- -max_total_time="$(FUZZ_SECONDS)" -max_len=16384
	done
	mkdir -p language/corpus
	cd language && cargo +nightly fuzz run --fuzz-dir . language corpus -- -max_total_time="$(FUZZ_SECONDS)" -max_len=4096

SECONDS_EACH ?= 60
.PHONY: fuzz-sources
fuzz-sources: ## The same with the stable compiler, by mutation of the samples, each decoder and protocol for SECONDS_EACH (ONLY=name, SEED=n)
	SECONDS_EACH="$(SECONDS_EACH)" $(CARGO) test --locked -p taffrail-sources --lib -- --ignored --nocapture no_mutation_makes_any_parser

MINUTES ?= 30
.PHONY: soak
soak: build $(VENV)/.done ## Five kinds of clients, garbage, slow clients and disconnects for MINUTES; counts add up hop by hop
	$(VENV)/bin/python tests/soak.py "$(BINARY)" --minutes "$(MINUTES)"

SECONDS ?= 60
.PHONY: fuzz-language
fuzz-language: ## The language under queries damaged by chance, for SECONDS (SEED=n begins elsewhere)
	SECONDS="$(SECONDS)" $(CARGO) test --locked -p taffrail-engine --test kqlt no_text_breaks_the_language -- --nocapture

.PHONY: screenshots
screenshots: ui build chromium ## Pictures of every page, dark and light, in .cache/screenshots
	SCREENSHOTS="$(CURDIR)/.cache/screenshots" tests/with-demo "$(BINARY)" npm --prefix ui run e2e

.PHONY: bench
bench: release ## Twelve questions over a million audit events beside ClickHouse and DuckDB, with our gates
	python3 benches/peers.py

.PHONY: bench-recorded
bench-recorded: release ## The same over recorded events, repeated to the same number
	python3 benches/peers.py --recorded
