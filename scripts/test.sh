#!/usr/bin/env bash
# Sets up what the tests need and runs every check: format, lint, types, import contract, tests.
#
#     scripts/test.sh [--all] [ARGUMENTS OF PYTEST]
#
# Tests marked as slow repeat what another test shows, on more data or with more examples. They run with --all alone.
set -euo pipefail
cd "$(dirname "$0")/.."

selected=(-m "not slow")
arguments=()
for argument in "$@"; do
    if [ "$argument" = --all ]; then
        selected=(-m "slow or not slow")
    else
        arguments+=("$argument")
    fi
done

debian_packages=(dicom3tools dcmtk libsaxonhe-java orthanc orthanc-dicomweb pixelmed-apps plastimatch poppler-utils)
# A browser, for a viewer that others made
debian_packages+=(chromium)
# A screen for the viewer's tests: Xvfb, a software renderer, and what Qt loads.
debian_packages+=(xvfb libegl1 libgl1 libopengl0 libgl1-mesa-dri libglx-mesa0 libxkbcommon-x11-0 libdbus-1-3
    libfontconfig1 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
    libxcb-shape0 libxcb-xkb1)
missing=()
for tool in dciodvfy dsrdump Orthanc pdftoppm plastimatch chromium Xvfb; do
    command -v "$tool" >/dev/null 2>&1 || missing+=("$tool")
done
# A validator of structured reports, in Java
for jar in pixelmed Saxon-HE; do
    [ -e "/usr/share/java/$jar.jar" ] || missing+=("$jar")
done
# Often there in a newer version than Debian's
for tool in node npm; do
    command -v "$tool" >/dev/null 2>&1 || { missing+=("$tool") && debian_packages+=("${tool/#node/nodejs}"); }
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing ${debian_packages[*]} ..." >&2
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${debian_packages[@]}"; } >/dev/null
    else
        echo "Conformance tests will be skipped, and the viewer's need a screen; to run them: sudo apt-get install ${debian_packages[*]}" >&2
    fi
fi

# How long each part took
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
took() {
    printf '%6d s  %s\n' "$2" "$1" >>"$logs/seconds"
}

extras="[test]"
plugins=("plugins/napari-dotaliver[test]")
# shellcheck source=scripts/_environment.sh
source scripts/_environment.sh
make_environment
took environment "$SECONDS"

# The CDISC CORE engine needs an older Python; its tests are skipped where there is none.
if [ ! -x .core/bin/python ] && command -v uv >/dev/null 2>&1 && uv python find --no-python-downloads 3.10 >/dev/null 2>&1; then
    { uv venv -q --python 3.10 .core && uv pip install -q --python .core/bin/python --only-binary :all: \
        --override tests/export/sdtm/core/overrides.txt -r tests/export/sdtm/core/requirements.txt; } || rm -rf .core
fi

export PYTHONWARNINGS=default
# Compiled once for all workers and for the processes that tests start, also where the environment asks for no such files
export PYTHONDONTWRITEBYTECODE=
.venv/bin/python -m compileall -q src tests/fixtures plugins/napari-dotaliver/src
.venv/bin/ruff format --check src tests scripts plugins
.venv/bin/ruff check src tests scripts plugins
# Workers share the cores: threads of their own would only stand in each other's way.
export ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

check_types() {
    .venv/bin/mypy && .venv/bin/lint-imports
}

# Workers take work from each other at the end, and until then keep the order, so that few make the same fixture twice.
run_tests() {
    .venv/bin/python -m pytest -n "${workers:-2}" --dist "${distribution:-worksteal}" "${selected[@]}" "$@"
}

# Three on two cores: many of these tests wait for a server, a time limit or a process that was killed.
run_main_tests() {
    local workers=3
    run_tests --ignore tests/viewer
}

# The viewer, in a real window on a screen of its own (pytest-xvfb starts it; offscreen would draw nothing). The tests
# of a file share a window, so that one worker runs them all.
run_napari_tests() {
    unset QT_QPA_PLATFORM
    local distribution=loadfile
    .venv/bin/npe2 validate plugins/napari-dotaliver/src/napari_dotaliver/napari.yaml && run_tests plugins/napari-dotaliver
}

# Scored studies in OHIF, in a browser
run_ohif_tests() {
    tests/viewer/install.sh || echo "The tests in OHIF will be skipped; to run them: tests/viewer/install.sh" >&2
    .venv/bin/python -m pytest "${selected[@]}" tests/viewer
}

if [ ${#arguments[@]} -gt 0 ]; then
    check_types
    run_tests "${arguments[@]}"
    exit
fi

# All at once: one waits for the disk or for a window while others compute, so that no core is idle before the end.
# The output of the longest is shown as it comes, that of the others when they are done.
jobs=() pids=()
start() {
    set -m # in a process group of its own, which can be ended as a whole
    {
        SECONDS=0 status=0
        "$2" || status=$?
        took "$1" "$SECONDS"
        exit "$status"
    } >"$logs/$1.log" 2>&1 &
    set +m
    jobs+=("$1") pids+=("$!")
}
end_all() {
    for pid in "${pids[@]}"; do
        kill -- -"$pid" 2>/dev/null || true
    done
    rm -rf "$logs"
}
trap end_all EXIT
[ "${selected[1]}" = "slow or not slow" ] || echo "Tests marked as slow are left out; scripts/test.sh --all runs them." >&2
failed=()
start napari run_napari_tests
start types check_types
start ohif run_ohif_tests
began=$SECONDS
run_main_tests || failed+=(main)
took main $((SECONDS - began))
for n in "${!jobs[@]}"; do
    wait "${pids[$n]}" || failed+=("${jobs[$n]}")
    printf '\n--- %s ---\n' "${jobs[$n]}"
    cat "$logs/${jobs[$n]}.log"
done
took "all, with the environment" "$SECONDS"
printf '\nThe jobs ran side by side and took:\n'
cat "$logs/seconds"
if [ ${#failed[@]} -gt 0 ]; then
    echo "Failed: ${failed[*]}" >&2
    exit 1
fi
