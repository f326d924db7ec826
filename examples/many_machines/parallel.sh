#!/bin/sh
# Prepares a large corpus with GNU parallel, here or over ssh, on a disk that all machines see:
#
#   sh examples/many_machines/parallel.sh data/big 'corpus/**/*.jsonl.zst'
#   PARALLEL='--sshlogin a,b,c --workdir .' sh examples/many_machines/parallel.sh data/big ...
#
# TASKS is the number of shares; one that fails is tried twice more.
set -eu

out=$1
shift
tasks=${TASKS:-$(nproc)}

gptcli prepare --plan --out "$out" --tokenizer "${TOKENIZER:-char}" "$@"
seq 0 $((tasks - 1)) |
    parallel --retries 3 gptcli prepare --out "$out" --shard "{}/$tasks" --workers 1
gptcli prepare --merge --out "$out"
