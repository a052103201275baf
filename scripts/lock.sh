#!/usr/bin/env bash
# Writes every hash lock of this repository. What a lock holds stays as it is unless told otherwise.
# Usage: scripts/lock.sh [--upgrade | --upgrade-package NAME]...
# For another version of MLflow: mkdir roles/mlflow_server/files/locks/<version>, and then this.
. "$(dirname "$0")/lib.sh"

cd "$ROOT"
options=("$@")

# compile OUTPUT LOWEST_PYTHON ARGUMENT...: one lock for every Python from the lowest on, wheels only.
compile() {
  local output=$1 python=$2
  shift 2
  mkdir -p "$(dirname "$output")"
  "$VENV/bin/uv" pip compile --no-config --quiet --universal --python-version "$python" --only-binary :all: --generate-hashes \
    --no-header --no-annotate "${options[@]}" --output-file "$output" "$@"
}

packages() { sed -n 's/^\([A-Za-z0-9_.-]*\)==.*/\1/p' "$1" | sort -u; }

# release VERSION [REQUIREMENT]...: the revisions of its databases, for plans that are made before it is installed.
release() {
  local package
  package=$(mktemp -d)
  "$VENV/bin/uv" pip install --no-config --quiet --no-deps --target "$package" "mlflow==$1" "${@:2}"
  PYTHONPATH=$ROOT/collections "$VENV/bin/python" scripts/release.py "$1" "$package/mlflow"
  rm -r "$package"
}

lock_mlflow() {
  local version=$1 dir=roles/mlflow_server/files/locks/$1 addon without plugins package
  echo "mlflow==$version" | compile "$dir/server.txt" 3.10 - requirements/mlflow.in
  without=()
  for package in $(packages "$dir/server.txt"); do without+=(--no-emit-package "$package"); done
  without+=(--constraint "$dir/server.txt")
  for addon in requirements/mlflow-*.in; do
    addon=$(basename "${addon#*-}" .in)
    case $addon in
      oidc) ! printf '%s\n' 3.16 "$version" | sort --check=quiet --version-sort ||
        compile "$dir/$addon.txt" 3.12 "${without[@]}" --override <(echo gunicorn) "requirements/mlflow-$addon.in" ;;
      *) compile "$dir/$addon.txt" 3.10 "${without[@]}" "requirements/mlflow-$addon.in" ;;
    esac
  done
  mapfile -t plugins < <(sed -n 's/^\(mlflow-oidc-auth==[0-9.]*\).*/\1/p' "$dir"/*.txt)
  release "$version" "${plugins[@]}" >"$dir/release.json"
}

lock_uv() {
  local lock
  lock=$(mktemp)
  grep -m 1 -o '^uv==[0-9.]*' requirements/dev.txt | compile requirements/uv.txt 3.9 -
  # The module that installs uv on other machines carries the lock in itself.
  {
    sed '/^UV_LOCK/,$d' plugins/module_utils/_uv_lock.py
    printf 'UV_LOCK = """\\\n'
    cat requirements/uv.txt
    printf '"""\n'
  } >"$lock"
  cat "$lock" >plugins/module_utils/_uv_lock.py
  rm "$lock"
}

timed "requirements/dev.txt" compile requirements/dev.txt 3.11 requirements/dev.in
timed "requirements/uv.txt" lock_uv
timed "requirements/go.txt" compile requirements/go.txt 3.11 requirements/go.in
timed "roles/minio/files/tools-requirements.txt" compile roles/minio/files/tools-requirements.txt 3.9 requirements/minio-tools.in
timed "benchmarks/requirements.txt" compile benchmarks/requirements.txt 3.11 requirements/bench.in
for name in browser mlflow-2.22.5 s3; do
  timed "tests/requirements/$name.txt" compile "tests/requirements/$name.txt" 3.10 "tests/requirements/$name.in"
done
# sslyze has no wheel.
timed "tests/requirements/tls.txt" compile tests/requirements/tls.txt 3.11 --no-binary sslyze tests/requirements/tls.in
for folder in roles/mlflow_server/files/locks/*/; do
  version=$(basename "$folder")
  timed "locks of MLflow $version" lock_mlflow "$version"
done
