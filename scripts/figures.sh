#!/usr/bin/env bash
# Measures the running demo: a second run of site.yml, and the memory of the MLflow service.
. "$(dirname "$0")/lib.sh"

NAME=mlops-mlflow-demo
[ -d "$ROOT/.demo/inventory" ] || die "no demo is running; start it with: make demo"

log=$(mktemp)
start=$(date +%s.%N)
(cd "$ROOT" && PATH=$VENV/bin:$PATH ANSIBLE_HOME=$ROOT/.ansible ansible-playbook site.yml -i .demo/inventory) >"$log"
end=$(date +%s.%N)
printf 'site.yml, second run: %.0f s, %s tasks, %s\n' "$(echo "$end - $start" | bc)" "$(grep -c '^TASK' "$log")" \
  "$(grep -o "$NAME .*changed=[0-9]*" "$log" | grep -o 'changed=.*')"
rm -f "$log"

docker exec "$NAME" sh -c '
  pids=$(systemctl show --value --property ControlGroup mlflow | xargs -I{} sh -c "cat /sys/fs/cgroup{}/cgroup.procs 2>/dev/null || cat /sys/fs/cgroup/systemd{}/cgroup.procs")
  for pid in $pids; do grep ^Pss: /proc/$pid/smaps_rollup; done' |
  awk '{ total += $2; count++ } END { printf "MLflow service: %d processes, %.0f MB (sum of PSS)\n", count, total / 1024 }'
