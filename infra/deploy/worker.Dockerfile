# The machine of one task: the worker, git, and bubblewrap from its wheel as the sandbox.
# It runs as root, so that the sandbox can become an ordinary user of its own (uid 10001).
#   docker build -f infra/deploy/worker.Dockerfile -t errand-worker .
FROM python:3.11-slim-bookworm AS build
WORKDIR /errand
RUN python -m venv .venv
COPY requirements.txt ./
RUN .venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY events events
COPY infra infra
COPY services services

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git procps ripgrep \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /errand /errand
WORKDIR /errand
ENV PATH=/errand/.venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ENV SANDBOX=bubblewrap
ENTRYPOINT ["python", "-m", "services.worker"]
