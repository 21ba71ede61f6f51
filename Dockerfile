# One image for every process: `swap-pay web`, and `swap-pay worker chain`, `signer`, `webhooks`, `default`.
# docs/deploy.md says how to build it, and how to pin the base by its digest:
#   docker build --build-arg PYTHON_IMAGE=docker.io/library/python:3.13.9-slim-bookworm@sha256:… .
ARG PYTHON_IMAGE=docker.io/library/python:3.13.9-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Or requirements-tracing.lock, requirements-exchanges.lock: with the packages of an extra.
ARG LOCK=requirements.lock
WORKDIR /src
COPY requirements.lock requirements-tracing.lock requirements-exchanges.lock requirements-build.lock ./
COPY pyproject.toml README.md ./
COPY docs docs
COPY clients/python/README.md clients/python/README.md
COPY clients/typescript/README.md clients/typescript/README.md
COPY templates templates
COPY static static
COPY piccolo_migrations piccolo_migrations
COPY workers workers
COPY app app
RUN ["sh", "docs/deploy/install.sh", "/opt/swap-pay"]
# The file system is read-only later, so byte code is made here.
RUN ["/opt/swap-pay/bin/python", "-m", "compileall", "-q", "-j", "0", "/opt/swap-pay/lib"]

FROM ${PYTHON_IMAGE}
RUN ["useradd", "--system", "--uid", "10001", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", "swap-pay"]
COPY --from=build /opt/swap-pay /opt/swap-pay
ENV PATH=/opt/swap-pay/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEARTBEAT_FILE=/tmp/heartbeat
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "app.monitoring.probe"]
ENTRYPOINT ["swap-pay"]
CMD ["web"]
