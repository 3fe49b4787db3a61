# The command line alone:  docker build --build-arg VERSION=0.3.0 -t ieco-opt .
#                          docker run --rm -v "$PWD:/work" ieco-opt frontier scenario.yaml --out frontier.json
# Debian 12 has the Python that the tests run on, and is smaller than the images of Python.

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# Git is not here to ask for the tag, so the version is said; left out, it is the fallback of pyproject.toml.
ARG VERSION=""
# Test suites that wheels carry would be a third of the image. Bytecode is made here, for nobody may write it later.
RUN if [ -n "$VERSION" ]; then export SETUPTOOLS_SCM_PRETEND_VERSION_FOR_IECO_OPT="$VERSION"; fi \
    && python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/ieco-opt \
    && /opt/pip/bin/pip --python /opt/ieco-opt/bin/python install --no-cache-dir --no-compile . \
    && find /opt/ieco-opt/lib -type d -name tests -prune -exec rm -rf {} + \
    && /opt/ieco-opt/bin/python -m compileall -q /opt/ieco-opt/lib

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 ieco
COPY --from=build /opt/ieco-opt /opt/ieco-opt
ENV PATH="/opt/ieco-opt/bin:$PATH"
USER ieco
WORKDIR /work
ENTRYPOINT ["ieco-opt"]
CMD ["--help"]
