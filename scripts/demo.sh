#!/usr/bin/env bash
# Sets up dotaliver, writes a sample study as DICOM and scores it.
set -euo pipefail
cd "$(dirname "$0")/.."
extras=""
# shellcheck source=scripts/_environment.sh
source scripts/_environment.sh
make_environment
# A sample is never written over another.
rm -rf dotaliver-sample
.venv/bin/dotaliver sample dotaliver-sample --preset moderate --seed 1
.venv/bin/dotaliver score dotaliver-sample/study --out dotaliver-sample/score
