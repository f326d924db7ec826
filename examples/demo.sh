#!/bin/sh
# From Python's own standard library to a small GPT, in about three minutes on two cores.
# Everything is written to a new folder, whose name is printed first.
set -eu
gptcli=${GPTCLI:-gptcli}
folder=$(mktemp -d "${TMPDIR:-/tmp}/gptcli-demo.XXXXXX")
cd "$folder"
echo "demo folder: $folder"

step() {
    echo
    echo "\$ gptcli $*"
    "$gptcli" "$@"
}

step prepare python
step tokenize "def attention(query, key, value):"
step train --n-layer 4 --n-head 4 --n-embd 128 --block-size 128 --batch-size 8 \
    --max-iters 1500 --eval-interval 500 --eval-batches 8
step eval
step sample --prompt "def " --max-new-tokens 400 --temperature 0.8
step inspect-attention --text "for name in names:"
step count-params
echo
echo "all of it is in $folder"
