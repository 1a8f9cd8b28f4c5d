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

# install_all PACKAGE...: those of these Debian packages that are not installed yet.
install_all() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' ||
            install "$package"
    done
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

# Where Debian's kubectl is: unpacked, not installed, since another may be installed already.
debian_kubectl() {
    local folder=${CARGO_TARGET_DIR:-target}/kubernetes-client
    if [ ! -x "$folder/usr/bin/kubectl" ]; then
        mkdir -p "$folder"
        (cd "$folder" && apt_get download kubernetes-client && dpkg-deb --extract ./*.deb .) >/dev/null 2>&1 ||
            { echo "kubernetes-client cannot be downloaded: no second kubectl" >&2 && return 0; }
    fi
    realpath "$folder/usr/bin/kubectl"
}

# python_environment REQUIREMENTS [FOLDER]: a virtual environment, by default .venv, with exactly
# these packages, made anew when they change.
python_environment() {
    local requirements=$1 folder=${2:-.venv}
    local stamp=$folder/requirements
    need python3 python3
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        { echo "missing: Python 3.10 or newer" >&2 && return 1; }
    python3 -c 'import ensurepip, venv' 2>/dev/null || install python3-venv
    cmp -s "$requirements" "$stamp" && "$folder/bin/python" -c '' 2>/dev/null && return 0
    echo "installing $requirements into $folder"
    python3 -m venv --clear "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$stamp"
}
