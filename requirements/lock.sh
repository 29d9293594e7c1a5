#!/bin/sh
# Writes the lock files from pyproject.toml: sh lock.sh PATH_OF_UV. Run through `make lock`.
set -eu
uv="$1"
compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command "make lock" "$@"
}
compile ../pyproject.toml build.in --output-file runtime.txt
compile ../pyproject.toml build.in --extra test --constraint runtime.txt --output-file test.txt
