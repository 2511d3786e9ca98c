#!/usr/bin/env bash
# Sets up what the tests need and runs every check: format, lint, types, import contract, tests.
set -euo pipefail
cd "$(dirname "$0")/.."

debian_packages=(dicom3tools dcmtk orthanc orthanc-dicomweb poppler-utils)
missing=()
for tool in dciodvfy dsrdump Orthanc pdftoppm; do
    command -v "$tool" >/dev/null 2>&1 || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing ${debian_packages[*]} ..." >&2
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${debian_packages[@]}"; } >/dev/null
    else
        echo "Some conformance tests will be skipped; to run them: sudo apt-get install ${debian_packages[*]}" >&2
    fi
fi

extras="[test]"
# shellcheck source=scripts/_environment.sh
source scripts/_environment.sh
make_environment

export PYTHONWARNINGS=default
.venv/bin/ruff format --check src tests scripts plugins
.venv/bin/ruff check src tests scripts plugins
.venv/bin/mypy
.venv/bin/lint-imports
# Two workers on two cores: threads of their own would only stand in each other's way.
export ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
.venv/bin/python -m pytest -n 2 "$@"
