#!/bin/sh
# A campaign of 100,000 seeds as an array of 64: sbatch slurm.sh, and when it is over `whitewater report merge`.
#SBATCH --job-name=whitewater
#SBATCH --array=1-64
#SBATCH --cpus-per-task=4
#SBATCH --mem=2G
#SBATCH --requeue
set -eu
SHARD=$SLURM_ARRAY_TASK_ID/64
PLACE=$HOME/campaigns/2026-11-28
OUT=${TMPDIR:-/tmp}/whitewater-$SLURM_JOB_ID
whitewater run swarm --seeds 100000 --shard $SHARD --to $PLACE --out $OUT
