#!/usr/bin/env bash
# What postern costs while it does nothing, starts, and reloads: see benches/life/figures.py.
#
# usage: benches/life.sh [--binary FILE] [--rounds N] [--seconds N] [--only start|idle|reload]...
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin

# shellcheck source=scripts/setup.sh
. scripts/setup.sh
need nginx nginx-light
need h2load nghttp2-client
need openssl openssl
need python3 python3

case " $* " in
    *" --binary "*) ;;
    *) cargo build --locked --profile dist --bin postern && set -- --binary target/dist/postern "$@" ;;
esac
ulimit -n 8192
exec python3 benches/life/figures.py "$@"
