#!/bin/sh
# A browser for the tests of the web app, on a Debian machine without one. Run as root; may be run
# again at any time.
set -eu

if command -v chromium >/dev/null; then
  exit 0
fi
apt-get update --quiet
DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends chromium
