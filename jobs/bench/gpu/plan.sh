#!/usr/bin/env bash
# What to run on a CUDA machine that is at hand for minutes, from the project's root: correctness first, then figures.
#
#     OUT=out bash jobs/bench/gpu/plan.sh 1     # 9 minutes at most: tests, ways of computing, jobs, fit
#     OUT=out bash jobs/bench/gpu/plan.sh 2     # 6 minutes at most: BERT-large, sizes of batches, kernels
#     DEVICE=cpu OUT=out bash jobs/bench/gpu/plan.sh 1    # does it run? A tiny model, few rows
#
# Each step has a limit of its own, and writes OUT/NAME.txt; OUT/table.md gathers what all wrote, those of earlier runs too.
set -u
: "${OUT:=out}" "${DEVICE:=cuda}" "${PYTHON:=python3}" "${CACHE:=/tmp/bench}"
mkdir -p "$OUT"
export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=true TRANSFORMERS_VERBOSITY=error PYTHONPATH=.:jobs/bench
cd "$(dirname "$0")/../../.."
failed=0

# run SECONDS NAME COMMAND...
run() {
  local seconds=$1 name=$2 code=0
  shift 2
  # A CPU may be busy with other things.
  [ "$DEVICE" = cuda ] || seconds=$((seconds * 10))
  echo "== $name"
  timeout -k 5 "$seconds" "$@" >>"$OUT/$name.txt" 2>&1 || code=$?
  [ "$code" = 0 ] || failed=1
  echo "$name: exit code $code after ${SECONDS}s"
  tail -n 4 "$OUT/$name.txt"
}

if [ "$DEVICE" = cuda ]; then
  shapes=(bert-base minilm-l6) large=(bert-large) budgets=(16384 65536 131072)
  score=("$PYTHON" jobs/bench/score_gpu.py --cache "$CACHE" --watched-rows 65536)
  few=(--rows 300000 --pipeline-rows 0 --fp32-rows 0 --default-rows 0 --fit-rows 0)
  forward=("$PYTHON" jobs/bench/gpu/forward_gpu.py --seconds 0.3)
else
  shapes=(tiny) large=() budgets=(512)
  score=("$PYTHON" jobs/bench/score_gpu.py --cache "$CACHE" --device cpu --precision bf16 --watched-rows 8 --fp32-rows 8)
  few=(--rows 16 --pipeline-rows 0 --fp32-rows 0 --default-rows 0 --fit-rows 0)
  forward=("$PYTHON" jobs/bench/gpu/forward_gpu.py --device cpu --seconds 0 --lengths 9,70)
fi

case "${1:-}" in
1)
  { nvidia-smi; "$PYTHON" -m pip list; nproc; } >"$OUT/machine.txt" 2>&1
  if [ "$DEVICE" = cuda ]; then
    # Texts and models are made while the tests use the device.
    "$PYTHON" jobs/bench/score_gpu.py --cache "$CACHE" --only-make "${shapes[@]}" >"$OUT/made.txt" 2>&1 &
    run 150 tests "$PYTHON" -m pytest -q -m gpu -o filterwarnings=default -p no:cacheprovider tests/classifier/forward/test_cuda.py
    run 90 forward "${forward[@]}" --shape "${shapes[@]}"
    wait
    run 200 score "${score[@]}" --shape bert-base --pipeline-rows 5000
    run 90 score "${score[@]}" --shape minilm-l6 --pipeline-rows 5000 --fit-rows 0
  else
    run 100 forward "${forward[@]}" --shape "${shapes[@]}"
    run 200 score "${score[@]}" --shape tiny --rows 24 --pipeline-rows 8 --default-rows 8 --fit-rows 40
  fi
  ;;
2)
  for shape in "${large[@]}"; do
    run 60 forward "${forward[@]}" --shape "$shape"
    run 100 score "${score[@]}" --shape "$shape" "${few[@]}"
  done
  for budget in "${budgets[@]}"; do
    run 50 score "${score[@]}" --shape "${shapes[0]}" "${few[@]}" --batch-tokens "$budget"
  done
  run 60 profile "$PYTHON" jobs/bench/gpu/profile_one.py --device "$DEVICE" --shape "${shapes[@]}"
  ;;
*)
  echo "usage: OUT=FOLDER bash jobs/bench/gpu/plan.sh 1|2" >&2
  exit 2
  ;;
esac
"$PYTHON" jobs/bench/gpu/table.py "$OUT" || failed=1
exit "$failed"
