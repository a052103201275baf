#!/usr/bin/env bash
# Measures the running demo: a second run of site.yml, and the memory of the MLflow service.
. "$(dirname "$0")/lib.sh"

[ -d "$DEMO/inventory" ] || die "no demo is running; start it with: make demo"

log=$(mktemp)
start=$SECONDS
deploy_demo >"$log"
printf 'site.yml, second run: %d s, %s tasks, %s\n' "$((SECONDS - start))" "$(grep -c '^TASK' "$log")" \
  "$(grep -o "$DEMO_NAME .*changed=[0-9]*" "$log" | grep -o 'changed=.*')"
rm -f "$log"

printf 'MLflow service: %s\n' "$(docker exec --interactive "$DEMO_NAME" python3 - memory <"$ROOT/benchmarks/probe.py")"
