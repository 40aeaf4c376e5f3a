# Thin: what each of these does is in bin/ and in the souk command.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
buf := .souk/tools/venv/bin/buf

.PHONY: up test lint bench bench-orders bench-edge load clean help

up: ## Install what is missing, build, start everything, fill the shop
	@bin/setup
	cargo build --workspace --bins
	exec bin/souk up

test: ## Run every test: unit, services on real servers, end to end
	@bin/setup
	bin/faulty
	cargo build --workspace --bins
	exec bin/souk servers -- cargo test --workspace --no-fail-fast

lint: ## Check format, lints, contracts and offline query data
	@bin/setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --features svc-kit/faults -- -D warnings
	$(buf) lint proto
	$(buf) format proto --diff --exit-code
	bin/sqlx-offline --check

bench: ## Run the benchmarks
	@bin/setup
	cargo bench --workspace

bench-orders: ## Measure orders side by side with pgbench
	@bin/setup
	cargo build --release --workspace --bins
	SOUK_HOME="$$PWD" exec "$${CARGO_TARGET_DIR:-target}/release/souk" bench-orders

bench-edge: ## Measure the edge side by side with nginx, HAProxy, Varnish and Envoy
	@bin/setup
	bin/setup bench || echo "what could not be installed is left out"
	cargo build --release -p edge -p souk
	SOUK_HOME="$$PWD" exec "$${CARGO_TARGET_DIR:-target}/release/souk" bench-edge $(ARGS)

load: ## Load a shop of its own and audit its books: make load ARGS="--faults all"
	@bin/setup
	cargo build --release --workspace --bins
	SOUK_HOME="$$PWD" exec "$${CARGO_TARGET_DIR:-target}/release/souk" load $(ARGS)

clean: ## Remove what was built, the tools and all data of the local stack
	cargo clean
	rm -rf .souk

help: ## Show this
	@sed -n 's/^\([a-z-]*\): ## \(.*\)/  make \1\t\2/p' Makefile
