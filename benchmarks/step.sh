# Shared by the scripts that set up a machine. Meant to be sourced.
# shellcheck shell=bash

# step NAME [command...]: runs the function NAME, or the command, and prints the seconds it took.
step() {
  local step=$1 step_start=$EPOCHREALTIME
  shift
  if [ $# = 0 ]; then "$step"; else "$@"; fi
  printf 'STEP %s %d.%02d\n' "$step" "$(((${EPOCHREALTIME/[.,]/} - ${step_start/[.,]/}) / 1000000))" "$(((${EPOCHREALTIME/[.,]/} - ${step_start/[.,]/}) / 10000 % 100))"
}

random_word() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
