# The command line alone:  docker build --build-arg VERSION=0.3.0 -t ieco-opt .
#                          docker run --rm --user "$(id -u)" -v "$PWD:/work" ieco-opt frontier scenario.yaml --out frontier.json
# Debian 12 has the Python that the tests run on, and is smaller than the images of Python.

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# Git is not here to ask for the tag, so the version is said; left out, it is the fallback of pyproject.toml.
ARG VERSION=""
# Such as [plot], for --plot.
ARG EXTRAS=""
# Test suites that wheels carry would be a third of the image. Bytecode is made here, for nobody may write it later: that of
# ieco_opt, and of what two questions import of the rest (all bytecode of all packages would be 20 MB more).
RUN if [ -n "$VERSION" ]; then export SETUPTOOLS_SCM_PRETEND_VERSION_FOR_IECO_OPT="$VERSION"; fi \
    && python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/ieco-opt \
    && /opt/pip/bin/pip --python /opt/ieco-opt/bin/python install --no-cache-dir --no-compile ".$EXTRAS" \
    && find /opt/ieco-opt/lib -type d -name tests -prune -exec rm -rf {} +
WORKDIR /question
RUN /opt/ieco-opt/bin/python -m compileall -q /opt/ieco-opt/lib/python3*/site-packages/ieco_opt \
    && /opt/ieco-opt/bin/ieco-opt plan Llama-3.1-8B --gpus 8xH100 --isl 1k --osl 100 --rate 100 --tpot 20ms --save plan \
    && /opt/ieco-opt/bin/ieco-opt sweep plan/plan.yaml --over workloads.requests.requests_per_s=50,100 --out sweep.csv

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 && apt-get clean && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 ieco
COPY --from=build /opt/ieco-opt /opt/ieco-opt
# Any user may run it, with a home or without, and Matplotlib keeps a cache.
ENV PATH="/opt/ieco-opt/bin:$PATH" MPLCONFIGDIR=/tmp/matplotlib
USER ieco
WORKDIR /work
ENTRYPOINT ["ieco-opt"]
CMD ["--help"]
