# The tests of the Python package, in a virtual environment of their own. Sourced by ./test, never run.

# Packages from PyPI that the tests use.
PYTHON_PACKAGES=(pyarrow pandas pytest)
# Other writers of files, for the corpus: what cannot be installed is skipped there, with the reason.
PYTHON_WRITERS=(polars duckdb fastparquet)

need_python() {
    command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null && return
    install_packages python3 python3-venv
}

# Builds the library as the other tests were built, puts it beside the package, and runs the tests against the two.
python_tests() {
    need_python
    # As a part of the whole, tests included: for one crate alone cargo would choose other features and compile DataFusion anew.
    cargo build --quiet --workspace --lib --tests || fail "the library of the Python package does not build"
    local place library extension=so
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    [ "$(uname)" != Darwin ] || extension=dylib
    library=$CARGO_TARGET_DIR/debug/liblaminar_python.$extension
    cp -R bindings/python/python/laminardb "$place/" && cp "$library" "$place/laminardb/_native.abi3.so" \
        || fail "the package could not be put together from bindings/python and $library"
    python3 -m venv "$place/venv" || fail "python3 -m venv failed. On Debian: apt-get install python3-venv"
    "$place/venv/bin/python" -m pip install --quiet "${PYTHON_PACKAGES[@]}" \
        || fail "pip could not install ${PYTHON_PACKAGES[*]}, which the Python tests need. Is PyPI reachable, or a mirror set in pip's settings?"
    for writer in "${PYTHON_WRITERS[@]}"; do
        "$place/venv/bin/python" -m pip install --quiet "$writer" || echo "pip could not install $writer: its files are not read in the tests"
    done
    PYTHONPATH=$place PYTHONDONTWRITEBYTECODE=1 "$place/venv/bin/python" -m pytest bindings/python/tests
}
