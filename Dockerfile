# The program with its locked packages, and git, which says what a run was trained with. See docs/installing.md.
#
#   docker build --tag bn-study .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/study" bn-study run faster_convergence profile=quick
#
# Results go to ./results. Data sets: --volume FOLDER:/data --env BN_STUDY_DATA=/data
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*'

COPY . /opt/bn-study
RUN PIP_NO_CACHE_DIR=1 VENV=/opt/venv /opt/bn-study/scripts/install.sh

# HOME: whoever the container runs as, libraries can write their caches
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp BN_STUDY_RESULTS=/study/results
WORKDIR /study
ENTRYPOINT ["bn-study"]
