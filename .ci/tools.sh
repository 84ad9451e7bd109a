# What ./test and ./quickstart share: finding and installing the tools that a build needs. Sourced, never run.

say() { printf '\n== %s\n' "$*"; }
fail() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

# Installs Debian packages, or says what to type.
install_packages() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n); else
            fail "missing: $*. Install with: sudo apt-get install $*"
        fi
    fi
    command -v apt-get >/dev/null || fail "missing: $*. Install it with this system's package manager and start again"
    say "installing $*"
    "${as_root[@]}" apt-get update -qq || fail "apt-get update failed; install by hand: $*"
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@" \
        || fail "apt-get could not install: $*"
}

# Rust and a C compiler: the only things that a build needs beside the crates that cargo fetches.
need_build_tools() {
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH="$HOME/.cargo/bin:$PATH"; fi
    command -v cargo >/dev/null || fail "Rust is not installed. Get it from https://rustup.rs and start again"
    if ! command -v cc >/dev/null || ! have_c_headers; then install_packages gcc libc6-dev; fi
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/laminar-target}"
}

have_c_headers() { echo '#include <stdlib.h>' | cc -E -x c - >/dev/null 2>&1; }

# PostgreSQL, with which the functions of SQL are compared; its programs stand outside of PATH. Without it those tests are skipped.
want_postgresql() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && return
    if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }; then
        install_packages postgresql
    else
        say "PostgreSQL is not installed: functions are compared with its recorded answers alone"
    fi
}

# A part of the Rust toolchain that a minimal installation leaves out.
need_component() {
    cargo "$1" --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null || fail "cargo $1 is missing. Install the component '$2' of your Rust toolchain"
    rustup component add "$2" || fail "rustup could not add '$2'"
}
