# Short names for what is typed often. `just` lists them; everything works without just, too.

export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", home_directory() / ".cache/laminar-target")

# Lists the recipes.
default:
    @just --list

# Everything that must hold before a change is good.
test *args:
    ./test {{ args }}

# The tests of one crate, or those whose name contains the filter.
unit crate *filter:
    cargo nextest run -p {{ crate }} {{ filter }}

# The oracle's long mode: many more random histories for every operator.
oracle cases="200000":
    LAMINAR_ORACLE_CASES={{ cases }} cargo nextest run --workspace oracle

# Random queries' long mode: how many, from which seed on, in how many processes.
queries *args:
    .ci/queries/run {{ args }}

# The tests of the Python package alone.
python:
    bash -c '. .ci/tools.sh && . .ci/python.sh && need_build_tools && python_tests'

# Format, house rules, lints.
lint:
    cargo fmt --all --check
    cargo run --quiet -p xtask -- tidy
    cargo run --quiet -p xtask -- arrows
    cargo clippy --workspace --all-targets -- -D warnings

# Licences, sources and double versions of dependencies (needs cargo-deny).
deny:
    cargo deny check

# Runs a script.
run file *args:
    cargo run --release -p laminar-server -- run {{ file }} {{ args }}

# The binary as it is shipped.
dist:
    cargo build --profile dist -p laminar-server
