#!/bin/bash
# Trains one model on the GPUs of several nodes, with requeueing, on a disk that all of them see:
#
#   sbatch --nodes=2 --gpus-per-node=8 examples/many_machines/train_slurm.sh data/big --preset gpt2
#
# A job whose time is over gets SIGTERM five minutes before, saves, and is put into the queue
# again; --resume auto then goes on where it stopped, on any number of nodes. Give --out, so that
# the job finds its run. --fsdp is for a model that is too large for one GPU.
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@300
set -eu

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -1)
srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node "${SLURM_GPUS_ON_NODE:-1}" \
    --max-restarts 3 --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$first:29500" \
    -m gptcli train --resume auto "$@" &
work=$!
trap 'kill -TERM "$work"; wait "$work" || true; scontrol requeue "$SLURM_JOB_ID"' TERM
wait "$work"
