#!/usr/bin/env bash
# A test machine runs afterwards: a container with systemd, without --privileged. What all such containers need stands here alone.
# Usage: scripts/machine.sh NAME IMAGE "NETWORK [NETWORK...]" [option of docker run...]       Networks that are missing are made.
. "$(dirname "$0")/lib.sh"

name=$1 image=$2
read -ra networks <<<"$3"
shift 3

make() {
  local network
  for network in "${networks[@]}"; do
    docker network inspect "$network" >/dev/null 2>&1 || docker network create "$network" >/dev/null
  done
  # Behind a proxy with its own CA the machines must know what this one knows.
  docker run --detach --name "$name" --hostname "$name" --network "${networks[0]}" \
    --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
    --cgroupns host --volume /sys/fs/cgroup:/sys/fs/cgroup:rw --tmpfs /run --tmpfs /run/lock \
    --volume /etc/ssl/certs/ca-certificates.crt:/usr/local/share/host-ca.crt:ro --volume "$CACHE/uv:/var/cache/uv" \
    "$@" "$image" >/dev/null || {
    docker rm --force "$name" >/dev/null 2>&1
    die "the container $name could not start"
  }
  for network in "${networks[@]:1}"; do
    docker network connect "$network" "$name"
  done
}

case $(docker container inspect --format '{{ .State.Running }}' "$name" 2>/dev/null) in
  true) ;;
  false) docker start "$name" >/dev/null ;;
  *) make "$@" ;;
esac
# systemd answers a moment after the container has started; a unit that fails in a container does not matter here.
timeout 60 sh -c "until docker exec $name systemctl is-system-running --wait 2>/dev/null | grep -qE 'running|degraded'; do sleep 0.5; done" ||
  die "systemd did not start in $name; see: docker logs $name"
