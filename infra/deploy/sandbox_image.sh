#!/bin/sh
# The image of the Docker sandbox, built or pulled where an engine answers and has none. It never
# fails: without the image Errand runs commands in bubblewrap, where there is one, and says so.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
default=errand-sandbox:local
image=${SANDBOX_IMAGE:-$default}

case ${SANDBOX:-auto} in auto | docker) ;; *) exit 0 ;; esac
command -v docker >/dev/null && docker version >/dev/null 2>&1 || exit 0
docker image inspect "$image" >/dev/null 2>&1 && exit 0

if [ "$image" = "$default" ]; then
  echo "A Docker engine answers, and commands run in a container of their own. Its image is built now, once:" >&2
  echo "this takes some minutes. To start at once without Docker, say: make run SANDBOX=bubblewrap" >&2
  # shellcheck disable=SC2086 # options are words
  docker build ${DOCKER_BUILD_OPTIONS:-} --tag "$image" - <"$here/sandbox.Dockerfile" >&2 && exit 0
  echo "The sandbox's image could not be built; the reason stands above. Try again with: make images" >&2
else
  echo "The sandbox's image $image is not here; pulling it." >&2
  docker pull "$image" >&2 && exit 0
  echo "The image $image could not be pulled; the reason stands above. Check SANDBOX_IMAGE." >&2
fi
