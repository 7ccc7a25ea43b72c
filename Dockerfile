# tenfold in a container: slim, without root, on a read-only root file system.
#
#   docker build -t tenfold .
#   docker run --read-only --tmpfs /tmp -p 8000:8000 -e TENFOLD_TOKEN=$(openssl rand -hex 32) tenfold
#   docker run --read-only --tmpfs /tmp -v "$PWD:/data" --user "$(id -u)" tenfold run --train train.csv --test test.csv
#
# To serve only, without torch: docker build --build-arg EXTRAS=serve -t tenfold-serve .
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
ARG EXTRAS=train,explore,serve
# Such as --extra-index-url, for an index with smaller builds of torch.
ARG PIP_ARGS=
COPY --from=build /wheels /wheels
COPY constraints.txt /wheels/
RUN python -m pip install --no-cache-dir ${PIP_ARGS} -c /wheels/constraints.txt "$(ls /wheels/*.whl)[${EXTRAS}]"
RUN useradd --uid 10001 --home-dir /tmp --no-create-home tenfold && install -d -o tenfold -m 0777 /data
USER 10001
# All that is written goes to /data and /tmp.
ENV TENFOLD_HOME=/data/.tenfold HOME=/tmp MPLCONFIGDIR=/tmp NUMBA_CACHE_DIR=/tmp PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["tenfold"]
CMD ["serve", "--host", "0.0.0.0"]
