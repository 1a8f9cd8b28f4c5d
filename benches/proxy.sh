#!/usr/bin/env bash
# CPU per request of postern, beside nginx passing the same bytes through: see benches/proxy/run.py.
#
# usage: benches/proxy.sh [--binary FILE] [--rounds N] [--seconds N] [--shape NAME]...
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin

# shellcheck source=scripts/setup.sh
. scripts/setup.sh
need nginx nginx-light
need wrk wrk
need h2load nghttp2-client
need openssl openssl
need python3 python3

case " $* " in
    *" --binary "*) ;;
    *) cargo build --locked --profile dist --bin postern && set -- --binary target/dist/postern "$@" ;;
esac
exec python3 benches/proxy/run.py "$@"
