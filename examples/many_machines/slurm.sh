#!/bin/bash
# Prepares a large corpus with a SLURM job array, on a disk that all nodes see:
#
#   TOKENIZER=gpt2 sh examples/many_machines/slurm.sh data/big 'corpus/**/*.jsonl.zst'
#
# Run so, it plans (one pass over the corpus, on this machine) and submits itself as an array of
# TASKS, and a merge that waits for them. A task that was killed may be requeued: it does what is
# missing. gptcli must be on the PATH of the nodes.
set -eu

out=$1
shift

if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
    exec gptcli prepare --out "$out" --shard auto --workers "${SLURM_CPUS_PER_TASK:-1}"
fi

gptcli prepare --plan --out "$out" --tokenizer "${TOKENIZER:-char}" "$@"
array=$(sbatch --parsable --array="0-$((${TASKS:-16} - 1))" --requeue "$0" "$out")
sbatch --dependency="afterok:${array%%;*}" --wrap "gptcli prepare --merge --out '$out'"
