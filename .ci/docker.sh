#!/bin/sh
# A Docker engine and the sandbox's image, on a Debian machine without either. Run as root; may be
# run again at any time. The image is the small one (git and Python), and its programs come with the
# base: no package is fetched inside the build. `make images` builds the whole one on the same base,
# which trusts the authorities that this machine trusts.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
suite=trixie
base=debian:trixie-slim
image=${SANDBOX_IMAGE:-errand-sandbox:local}
logs=${TMPDIR:-/tmp}/errand-dockerd.log

answers() { docker version >/dev/null 2>&1; }

install_engine() {
  if command -v dockerd >/dev/null && command -v debootstrap >/dev/null && command -v iptables >/dev/null; then
    return
  fi
  apt-get update --quiet
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
    docker.io debootstrap iptables ca-certificates
}

start_engine() {
  answers && return
  rm -f /var/run/docker.pid # an engine that was killed leaves it, and the next takes it for its own
  setsid dockerd >"$logs" 2>&1 </dev/null &
  for _ in $(seq 60); do
    answers && return
    sleep 0.5
  done
  tail -n 20 "$logs" >&2
  echo "The Docker engine did not start; its log is above. Errand works without: bubblewrap." >&2
  exit 1
}

make_base() {
  docker image inspect "$base" >/dev/null 2>&1 && return
  work=$(mktemp -d)
  debootstrap --variant=minbase --include=ca-certificates,git,procps,python3 "$suite" "$work/root" \
    >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; rm -rf "$work"; exit 1; }
  authorities=/usr/local/share/ca-certificates
  if [ -d "$authorities" ]; then
    cp "$authorities"/*.crt "$work/root$authorities/" 2>/dev/null || true
    chroot "$work/root" update-ca-certificates >>"$work/log" 2>&1
  fi
  tar --directory "$work/root" --exclude=./dev --exclude=./proc --exclude=./sys \
    --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --create . |
    docker import - "$base" >/dev/null
  rm -rf "$work"
}

build_sandbox() {
  DOCKER_BUILDKIT=0 docker build --quiet --network host --target minimal --tag "$image" \
    - <"$here/infra/deploy/sandbox.Dockerfile" 2>/dev/null >/dev/null || {
    DOCKER_BUILDKIT=0 docker build --network host --target minimal --tag "$image" \
      - <"$here/infra/deploy/sandbox.Dockerfile"
  }
}

install_engine
start_engine
make_base
build_sandbox
docker run --rm --network none "$image" git --version
