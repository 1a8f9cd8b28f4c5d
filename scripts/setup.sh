# Sourced by scripts/test: gets what is missing, and says so where it cannot.

# need PROGRAM PACKAGE: installs the Debian package when the program is not there.
need() {
    command -v "$1" >/dev/null 2>&1 || install "$2"
}

install() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "missing: $1. Please install it (on Debian: apt-get install $1)" >&2
        return 1
    fi
    echo "installing $1"
    # Debian starts the services that it installs, unless this file says no.
    local policy=/usr/sbin/policy-rc.d ours=
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=1; }
    local code=0
    apt_get install -y --no-install-recommends "$1" >/dev/null ||
        { apt_get update >/dev/null && apt_get install -y --no-install-recommends "$1" >/dev/null; } ||
        code=$?
    [ -z "$ours" ] || rm -f "$policy"
    return "$code"
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

# python_environment REQUIREMENTS: .venv with exactly these packages, made anew when they change.
python_environment() {
    local requirements=$1 stamp=.venv/requirements
    need python3 python3
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        { echo "missing: Python 3.10 or newer" >&2 && return 1; }
    python3 -c 'import ensurepip, venv' 2>/dev/null || install python3-venv
    cmp -s "$requirements" "$stamp" && .venv/bin/python -c '' 2>/dev/null && return 0
    echo "installing $requirements into .venv"
    python3 -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$stamp"
}
