# Sourced by demo.sh and test.sh: makes .venv with this project in it, once per change of a pyproject.toml.
# The caller sets `extras` (such as "[test]"), and `plugins` where some are wanted too, and has changed into the
# project's folder.

[ -n "${plugins+set}" ] || plugins=()

# Regular expression of files of libraries that nothing here imports
not_imported='/(tests?|debugpy|jedi|mypy|mypyc|networkx|pip|setuptools)/'

make_environment() {
    local stamp=".venv/.installed${extras//[^a-z]/-}"
    local wanted=(-e ".$extras") newer
    for plugin in "${plugins[@]}"; do
        wanted+=(-e "./$plugin")
    done
    newer=$(find pyproject.toml plugins/*/pyproject.toml -newer "$stamp" 2>/dev/null || echo all)
    if [ -f "$stamp" ] && [ -z "$newer" ]; then
        return
    fi
    local python=""
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            python=$candidate
            break
        fi
    done
    if command -v uv >/dev/null 2>&1; then
        echo "Setting up .venv with uv ..." >&2
        [ -x .venv/bin/python ] || uv venv --quiet --python "${python:->=3.11}" .venv
        uv pip install --quiet --python .venv/bin/python "${wanted[@]}"
    elif [ -n "$python" ]; then
        echo "Setting up .venv (a minute or two) ..." >&2
        [ -x .venv/bin/python ] || "$python" -m venv .venv
        # uv takes a tenth of pip's time. It reads no configuration of pip's: where it fails, pip does the work.
        { .venv/bin/python -m pip install --quiet --disable-pip-version-check uv &&
            .venv/bin/uv pip install --quiet --python .venv/bin/python "${wanted[@]}"; } ||
            .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile "${wanted[@]}"
    else
        echo "Python 3.11 or newer is needed and was not found: install it, then run this again." >&2
        exit 1
    fi
    # Compiled here, so that none of the compiler's warnings reaches a test; without what is never imported.
    .venv/bin/python -W ignore -m compileall -q -j 0 -x "$not_imported" .venv/lib || true
    touch "$stamp"
}
