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

docker exec "$DEMO_NAME" sh -c '
  pids=$(systemctl show --value --property ControlGroup "mlflow*.service" | grep . |
    xargs -I{} sh -c "cat /sys/fs/cgroup{}/cgroup.procs 2>/dev/null || cat /sys/fs/cgroup/systemd{}/cgroup.procs")
  for pid in $pids; do grep ^Pss: /proc/$pid/smaps_rollup; done' |
  awk '{ total += $2; count++ } END { printf "MLflow service: %d processes, %.0f MB (sum of PSS)\n", count, total / 1024 }'
