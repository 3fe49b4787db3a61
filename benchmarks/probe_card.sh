#!/usr/bin/env bash
# On a machine with accelerators: the card as measured, then decode steps beside what the model predicts for them.
#   benchmarks/probe_card.sh [FOLDER [MODEL [OPTIONS OF PROBE...]]]
set -euo pipefail
folder=${1:-probed} model=${2:-Llama-3.1-8B}
shift $(($# < 2 ? $# : 2))
python=${PYTHON:-python3}
mkdir -p "$folder"
"$python" -m ieco_opt probe "$@" --out "$folder/card.yaml" --profile-out "$folder/prior.yaml"
"$python" -m ieco_opt probe "$@" --decode "$model" --batches 1,8,32 --contexts 1000,8000 --out "$folder/rows.csv"
for profile in auto "$folder/prior.yaml"; do
    echo "== predicted with $profile"
    "$python" -m ieco_opt validate "$folder/rows.csv" --profile "$profile" --out "$folder/predicted.csv"
    "$python" - "$folder/predicted.csv" <<'END'
import sys

import pandas as pd

columns = ["batch", "prompt_tokens", "time_per_output_token_s", "predicted_time_per_output_token_s", "error", "left_out"]
print(pd.read_csv(sys.argv[1])[columns].to_string(index=False))
END
done
