# Stage one builds the environment from the hashed requirements; stage two gets that and the source, nothing else.
FROM python:3.12-slim AS environment

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# --build-arg REQUIREMENTS=requirements-otel.txt adds OpenTelemetry.
ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} /tmp/requirements.txt
RUN python -m venv /opt/echelon \
    && /opt/echelon/bin/python -m pip install --require-hashes --only-binary :all: -r /tmp/requirements.txt


FROM python:3.12-slim

RUN groupadd --gid 10001 echelon \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin echelon \
    && install -d -m 0700 -o 10001 -g 10001 /data

COPY --from=environment /opt/echelon /opt/echelon
WORKDIR /app
COPY bot ./bot
COPY adapters ./adapters
COPY matrix ./matrix
COPY storage ./storage
COPY scheduler ./scheduler
COPY app.py alembic.ini requirements.txt LICENSE ./

ENV PATH=/opt/echelon/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ECHELON_DATABASE_URL=sqlite:////data/echelon.db \
    ECHELON_HOST=0.0.0.0 \
    ECHELON_PORT=8080

# A number, so that a cluster can see that it is not root.
USER 10001:10001
VOLUME /data
EXPOSE 8080

# http.client, not urllib: a proxy in the environment must not be asked for our own health.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['ECHELON_PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

CMD ["python", "app.py", "run"]
