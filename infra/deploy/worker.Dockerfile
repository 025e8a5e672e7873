# The machine of one task: the sandbox's image, the worker, and bubblewrap from its wheel as the sandbox.
# It runs as root, so that the sandbox can become an ordinary user of its own (uid 10001).
#   make images
ARG TOOLCHAIN=errand-sandbox:local
FROM ${TOOLCHAIN} AS build
USER root
WORKDIR /errand
RUN python3 -m venv .venv
COPY requirements.txt ./
RUN uv pip sync --no-cache --python .venv/bin/python --require-hashes requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY events events
COPY infra infra
COPY services services

FROM ${TOOLCHAIN}
USER root
COPY --from=build /errand /errand
WORKDIR /errand
ENV PATH=/errand/.venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ENV SANDBOX=bubblewrap
ENTRYPOINT ["python", "-m", "services.worker"]
