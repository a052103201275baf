#!/usr/bin/env bash
# The whole site on one local container, proven by the smoke test.
# Usage: scripts/demo.sh up | clean
# Settings by environment: DEMO_PORT (https, 8443), DEMO_HTTP_PORT (8080), DEMO_DISTRO (debian12 or debian13).
. "$(dirname "$0")/lib.sh"

PORT=${DEMO_PORT:-8443}
HTTP_PORT=${DEMO_HTTP_PORT:-8080}
DISTRO=${DEMO_DISTRO:-debian12}

start_container() {
  # The ports are open on loopback only.
  "$ROOT/scripts/machine.sh" "$DEMO_NAME" "$IMAGE_PREFIX:$DISTRO" bridge --tmpfs /tmp \
    --publish "127.0.0.1:$PORT:$PORT" --publish "127.0.0.1:$HTTP_PORT:$HTTP_PORT" ||
    die "is port $PORT or $HTTP_PORT taken? Set DEMO_PORT and DEMO_HTTP_PORT"
}

write_inventory() {
  if [ -e "$DEMO/inventory/hosts.yml" ]; then return; fi
  mkdir -p "$DEMO"
  rm -rf "$DEMO/inventory"
  cp -r "$ROOT/inventory.example" "$DEMO/inventory"
  "$VENV/bin/python" "$ROOT/scripts/demo_inventory.py" "$DEMO" --host "$DEMO_NAME" --port "$PORT" --http-port "$HTTP_PORT" \
    --s3-server "$CACHE/s3-server" --ca-file /usr/local/share/host-ca.crt --uv-cache /var/cache/uv
}

up() {
  local start=$SECONDS
  "$ROOT/scripts/setup.sh"
  timed "container $DEMO_NAME" start_container
  write_inventory
  timed "site.yml" deploy_demo
  cat <<EOF

MLflow is ready after $((SECONDS - start)) s, and the smoke test through its public URL passed.

  URL       https://localhost:$PORT   (the browser warns: the certificate is signed by the demo's own CA)
  Login     $(sed -n "s/^# login: //p" "$DEMO/access.env")

Try it from this machine, with any Python that has mlflow:

  set -a; . .demo/access.env; set +a
  $VENV/bin/uv run --no-project --with mlflow-skinny python - <<'PY'
  import mlflow
  mlflow.set_experiment("first")
  with mlflow.start_run(): mlflow.log_metric("accuracy", 0.9)
  PY

Run it again:  .venv/bin/ansible-playbook site.yml -i .demo/inventory   (changes nothing)
Remove it:     make demo-clean
EOF
}

clean() {
  if command -v docker >/dev/null && docker container inspect "$DEMO_NAME" >/dev/null 2>&1; then
    docker rm --force --volumes "$DEMO_NAME" >/dev/null
  fi
  rm -rf "$DEMO"
}

case ${1:-} in
  up | clean) "$1" ;;
  *) die "usage: scripts/demo.sh up|clean" ;;
esac
