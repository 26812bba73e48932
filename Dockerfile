# syntax=docker/dockerfile:1
# One file, three images: docker build --target app|api|worker -t drumscribe-app .
# All state is under /data (a volume); the rest of the file system may be read-only.

# API and app need a part of the libraries: neither PyTorch nor TensorFlow.
FROM python:3.11-slim-bookworm AS light
WORKDIR /app
COPY constraints.txt pyproject.toml setup.py README.md LICENSE ./
COPY drumscribe/__init__.py drumscribe/_version.py drumscribe/
ENV PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv

FROM light AS apilibs
# PDF_BACKEND=lilypond: --build-arg API_EXTRAS=service,guitarpro,engraving
ARG API_EXTRAS=service,guitarpro
RUN /opt/venv/bin/pip install -c constraints.txt -e ".[${API_EXTRAS}]"

FROM light AS applibs
ARG APP_EXTRAS=studio,service,engraving,guitarpro,research
RUN /opt/venv/bin/pip install -c constraints.txt -e ".[${APP_EXTRAS}]"

# What workers load: everything.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
# The libraries first: they change less often than the code, so this layer is usually there already.
COPY requirements.txt constraints.txt pyproject.toml setup.py README.md LICENSE ./
COPY scripts/run.py scripts/
COPY drumscribe/__init__.py drumscribe/_version.py drumscribe/
ENV PIP_NO_CACHE_DIR=1
RUN VENV=/opt/venv python scripts/run.py setup
COPY . .
RUN /opt/venv/bin/python -m compileall -q drumscribe pages app.py \
    && rm -rf tests training benchmarks .github

FROM python:3.11-slim-bookworm AS base
RUN groupadd --gid 1001 drumscribe \
    && useradd --uid 1001 --gid 1001 --no-create-home --home-dir /data --shell /usr/sbin/nologin drumscribe \
    && install -d -o 1001 -g 1001 /data
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    DATA_DIR=/data \
    LOG_FORMAT=json \
    MALLOC_ARENA_MAX=4
WORKDIR /app
USER 1001:1001
VOLUME /data
STOPSIGNAL SIGTERM

FROM base AS app
COPY --from=applibs /opt/venv /opt/venv
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "drumscribe.api.probe", "http://127.0.0.1:8501/_stcore/health"]
CMD ["drumscribe", "serve", "--host", "0.0.0.0", "--port", "8501"]

FROM base AS api
COPY --from=apilibs /opt/venv /opt/venv
# Refuses to start without API_KEYS, because it listens on more than loopback here.
ENV API_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "drumscribe.api.probe", "http://127.0.0.1:8000/api/v1/live"]
CMD ["python", "-m", "drumscribe.api"]

FROM base AS worker
COPY --from=build /opt/venv /opt/venv
ENV WORKER_METRICS_PORT=9101 \
    PROMETHEUS_MULTIPROC_DIR=/tmp/prometheus
EXPOSE 9101
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-m", "drumscribe.api.probe", "http://127.0.0.1:9101/metrics"]
ENTRYPOINT ["python", "-m", "drumscribe.jobs.work_queue"]
CMD ["default"]
