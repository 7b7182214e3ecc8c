# syntax=docker/dockerfile:1
# One image, every verb: `docker run IMAGE` follows the changes, `docker run IMAGE migrate up` changes the schema.

ARG PYTHON=3.13.7-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# The dependencies change rarely: a layer of their own, by checksum.
COPY requirements/run.txt requirements/run.txt
RUN python -m venv /opt/crucible \
    && /opt/crucible/bin/pip install --require-hashes --requirement requirements/run.txt
COPY pyproject.toml README.md ./
COPY watcher watcher
COPY handlers handlers
COPY config config
COPY clickhouse_sql clickhouse_sql
COPY debezium debezium
COPY stack stack
COPY demo demo
RUN /opt/crucible/bin/pip install --no-deps .

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="crucible-watcher" \
      org.opencontainers.image.description="Follows a site's crucibles from PostgreSQL to ClickHouse and Redis, every change once."
# As the first process, Python would not reap what it did not start; tini passes signals on and reaps.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin crucible
COPY --from=build /opt/crucible /opt/crucible
ENV PATH=/opt/crucible/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CRUCIBLE_OPS__PORT=9464
USER 10001:10001
WORKDIR /
EXPOSE 9464 8080
STOPSIGNAL SIGTERM
# Liveness alone: a neighbour that is away must not restart the container.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as ask; ask.urlopen(f'http://127.0.0.1:{os.environ[\"CRUCIBLE_OPS__PORT\"]}/livez', timeout=2)"]
ENTRYPOINT ["tini", "--", "crucible"]
CMD ["run"]
