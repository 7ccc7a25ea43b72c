#!/usr/bin/env bash
# A Ray cluster inside a Slurm job: sbatch examples/cluster/slurm.sh run fast --set ensemble.members=100
#
# The folder that sbatch is called in is shared by all nodes. A job that ends early is submitted again with
# `run --resume RUN`: finished members stay.
#SBATCH --job-name=tenfold
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --mem=64G
#SBATCH --time=02:00:00
#SBATCH --constraint=avx512
#SBATCH --signal=B:TERM@120
set -euo pipefail

umask 077
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 OMP_NUM_THREADS=1
RAY_AUTH_TOKEN=$(openssl rand -hex 32)
export RAY_AUTH_TOKEN
export TENFOLD_HOME="$SLURM_SUBMIT_DIR/home"
port=$((20000 + SLURM_JOB_ID % 10000))
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}')

srun --nodes=1 --ntasks=1 -w "$head" \
  ray start --head --node-ip-address="$address" --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false --block &
sleep 20
if ((SLURM_JOB_NUM_NODES > 1)); then
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" \
    ray start --address="$address:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
fi
sleep 20

tenfold "$@" --executor ray --address "$address:$port" &
training=$!
trap 'kill -TERM "$training"' TERM
wait "$training" || wait "$training"
