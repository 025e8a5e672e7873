# The docker sandbox: where the commands of the model run. No network, read-only, uid 10001.
# A base that has the programs already (made by .ci/docker.sh) needs no package index.
FROM debian:bookworm-slim
RUN if ! { command -v git && command -v python3 && command -v ps; } >/dev/null; then \
      apt-get update \
      && apt-get install --yes --no-install-recommends git python3 procps \
      && rm -rf /var/lib/apt/lists/*; \
    fi \
    && groupadd --gid 10001 agent \
    && useradd --uid 10001 --gid 10001 --home-dir /home/agent --no-create-home --shell /bin/bash agent \
    && mkdir -p /workspace /home/agent \
    && chown 10001:10001 /workspace /home/agent
USER 10001:10001
WORKDIR /workspace
