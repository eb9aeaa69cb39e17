# The GPU image; with `--target cpu`, one for machines without a GPU. `scripts/build` builds either.
# BASE_IMAGE is what it stands on: vllm/vllm-openai:v0.33.0, or, for the target cpu, python:3.11-slim.
# A pip.conf that the build alone is to see comes as the secret "pip.conf".
ARG BASE_IMAGE

FROM ${BASE_IMAGE:-python:3.11-slim} AS wheel
ARG PIP_CONFIG_FILE=/run/secrets/pip.conf
WORKDIR /src
COPY pyproject.toml README.md ./
COPY requirements/cpu.txt requirements/
COPY container container
COPY handlers handlers
RUN --mount=type=secret,id=pip.conf \
    PIP_CONSTRAINT=requirements/cpu.txt python3 -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .


FROM ${BASE_IMAGE:-python:3.11-slim} AS cpu
ARG PIP_CONFIG_FILE=/run/secrets/pip.conf
# false: without vLLM and torch, for scripts that need no engine, and for `check`
ARG WITH_VLLM=true
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PATH=/opt/handrail/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1

# The version is the distribution's: one that is written here is gone with its next update.
# hadolint ignore=DL3008
RUN python3 -m venv /opt/handrail \
    && if [ "$WITH_VLLM" = true ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends libnuma1 \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log; \
    fi

# What changes least comes first, a layer each.
RUN --mount=type=secret,id=pip.conf \
    --mount=type=bind,source=requirements/image-vllm.txt,target=/requirements.txt \
    if [ "$WITH_VLLM" = true ]; then \
        pip install --no-cache-dir --no-deps --extra-index-url "$TORCH_INDEX" "$(grep '^torch==' /requirements.txt)"; \
    fi
RUN --mount=type=secret,id=pip.conf \
    --mount=type=bind,source=requirements/image-vllm.txt,target=/requirements.txt \
    if [ "$WITH_VLLM" = true ]; then pip install --no-cache-dir --no-deps -r /requirements.txt; fi
# Copied, not mounted: a builder may keep a layer although a file that was mounted for it has changed.
COPY requirements/image.txt /opt/handrail/requirements.txt
RUN --mount=type=secret,id=pip.conf \
    pip install --no-cache-dir --no-deps -r /opt/handrail/requirements.txt
COPY --from=wheel /wheels /opt/handrail/wheels
RUN pip install --no-cache-dir --no-deps --no-index /opt/handrail/wheels/*.whl \
    && mkdir -p /opt/ml/model

WORKDIR /opt/ml
EXPOSE 8080
ARG REVISION=unknown
ARG VERSION=unknown
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
    com.amazonaws.sagemaker.capabilities.bidirectional-streaming=true \
    org.opencontainers.image.title=handrail \
    org.opencontainers.image.description="A serving container for vLLM that runs the model.py you already have (CPU)" \
    org.opencontainers.image.version=$VERSION \
    org.opencontainers.image.revision=$REVISION
# It is unhealthy until the weights are loaded, which the start period is for.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30m --retries=3 CMD ["python3", "-Ic", "\
import http.client, os, sys; \
server = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('SAGEMAKER_BIND_TO_PORT') or 8080), timeout=4); \
server.request('GET', '/ping'); \
sys.exit(server.getresponse().status != 200)"]
ENTRYPOINT ["handrail"]
CMD ["serve"]


FROM ${BASE_IMAGE:-vllm/vllm-openai:v0.33.0} AS gpu
ARG PIP_CONFIG_FILE=/run/secrets/pip.conf

ENV PYTHONDONTWRITEBYTECODE=1

# What the base has stays in the version it has: vLLM was built and tested with it.
COPY --from=wheel /wheels /opt/handrail/wheels
RUN --mount=type=secret,id=pip.conf \
    python3 -m pip list --format=freeze >/tmp/held.txt \
    && for wheel in /opt/handrail/wheels/*.whl; do \
        python3 -m pip install --no-cache-dir --constraint /tmp/held.txt "${wheel}[aws,otel]"; \
    done \
    && rm /tmp/held.txt \
    && mkdir -p /opt/ml/model

WORKDIR /opt/ml
EXPOSE 8080
ARG REVISION=unknown
ARG VERSION=unknown
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
    com.amazonaws.sagemaker.capabilities.bidirectional-streaming=true \
    org.opencontainers.image.title=handrail \
    org.opencontainers.image.description="A serving container for vLLM that runs the model.py you already have" \
    org.opencontainers.image.version=$VERSION \
    org.opencontainers.image.revision=$REVISION
# It is unhealthy until the weights are loaded, which the start period is for.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30m --retries=3 CMD ["python3", "-Ic", "\
import http.client, os, sys; \
server = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('SAGEMAKER_BIND_TO_PORT') or 8080), timeout=4); \
server.request('GET', '/ping'); \
sys.exit(server.getresponse().status != 200)"]
ENTRYPOINT ["handrail"]
CMD ["serve"]
