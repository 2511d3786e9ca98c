# Sourced by demo.sh and test.sh: makes .venv with this project in it, once per change of a pyproject.toml.
# The caller sets `extras` (such as "[test]"), and `plugins` where some are wanted too, and has changed into the
# project's folder.

[ -n "${plugins+set}" ] || plugins=()

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
        uv pip install --quiet --compile-bytecode --python .venv/bin/python "${wanted[@]}"
    elif [ -n "$python" ]; then
        echo "Setting up .venv with pip (a minute or two) ..." >&2
        [ -x .venv/bin/python ] || "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check "${wanted[@]}"
    else
        echo "Python 3.11 or newer is needed and was not found: install it, then run this again." >&2
        exit 1
    fi
    touch "$stamp"
}
