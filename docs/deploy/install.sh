#!/bin/sh
# Build the wheel from the sources in this folder, and install it with the locked packages into a virtual environment:
#
#   sh docs/deploy/install.sh /opt/swap-pay
#
# TOOLS names an environment that has the locked hatchling and uv already; without it one is made, and deleted again.
# LOCK names another lock to install from, such as requirements-tracing.lock. Every package is checked by its hash.
set -eu
venv=${1:?"which folder to install into"}
python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

tools=${TOOLS:-}
if [ -z "$tools" ]; then
    tools=$scratch/tools
    "$python" -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes \
        --requirement requirements-build.lock
fi

"$tools/bin/python" -m hatchling build --target wheel --directory "$scratch/wheel"
"$tools/bin/uv" venv --quiet --python "$python" "$venv"
"$tools/bin/uv" pip install --quiet --python "$venv" --require-hashes --requirement "${LOCK:-requirements.lock}"
"$tools/bin/uv" pip install --quiet --python "$venv" --no-deps --no-index "$scratch"/wheel/*.whl
"$venv/bin/swap-pay" --help > /dev/null
