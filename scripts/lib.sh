# Shared by the scripts in this folder: names, places and a few helpers. Meant to be sourced.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
CACHE=${MLOPS_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/mlops-mlflow}
IMAGE_PREFIX=mlops-mlflow-test
DEMO=$ROOT/.demo
DEMO_NAME=mlops-mlflow-demo

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
  command -v apt-get >/dev/null || die "please install: $* (this script knows only apt-get)"
  say "installing Debian packages: $*"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# timed "what" command...: says what runs, and how long it took.
timed() {
  local what=$1 start=$SECONDS
  shift
  say "$what"
  "$@"
  say "$what: done in $((SECONDS - start)) s"
}

# The site playbook on the demo's container, as a user runs it.
deploy_demo() {
  (cd "$ROOT" && PATH=$VENV/bin:$PATH ANSIBLE_HOME=$ROOT/.ansible ansible-playbook site.yml -i "$DEMO/inventory")
}
