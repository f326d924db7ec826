#!/bin/sh
# Trains one model on two machines that see the same disk; run it on both with the name of the first:
#
#   sh examples/many_machines/train_two_hosts.sh first.example --out runs/big data/big
#
# Each starts one process for each of its GPUs (or PROCESSES of them). Where one process ends, all
# begin again from the last save, up to three times.
set -eu

first=$1
shift
exec torchrun --nnodes 2 --nproc-per-node "${PROCESSES:-gpu}" --max-restarts 3 \
    --rdzv-backend c10d --rdzv-id gptcli --rdzv-endpoint "$first:29500" \
    -m gptcli train --resume auto "$@"
