#!/bin/sh
# The lecture's last chapter, run: from Python's own standard library to a GPT that answers questions,
# by supervised fine-tuning, a reward model and PPO, by DPO, and by GRPO on sums; ten minutes on
# two cores. In the end a table has the figures of all stages on held-out questions.
#
#     sh examples/from_gpt_to_chatgpt.sh             # all of it
#     QUICK=1 sh examples/from_gpt_to_chatgpt.sh     # a few steps of each: that it runs, not what it learns
#
# Everything is written to a new folder, whose name is printed first and last; FOLDER gives another.
set -eu
gptcli=${GPTCLI:-gptcli}
folder=${FOLDER:-$(mktemp -d "${TMPDIR:-/tmp}/gptcli-chat.XXXXXX")}
mkdir -p "$folder"
cd "$folder"
echo "folder: $folder"

size='--n-layer 4 --n-embd 128'
base='--time-budget 40s' tuned='--time-budget 150s' sums='--max-iters 145' # half of them right
fast='--optimizer muon' # which here learns in half the steps of AdamW
answers='--lr 0.004 --embedding-lr 0.004 --head-lr 0.004 --vector-lr 0.004' # measured for few tokens
pairs='--eval-interval 281 --eval-batches 16' preferred='--max-iters 320'
rewarded='--max-iters 45' graded='--max-iters 260' chats='' limit=''
if [ -n "${QUICK:-}" ]; then
    size='--n-layer 1 --n-head 2 --n-embd 16'
    base='--max-iters 2 --eval-interval 2 --eval-batches 1 --batch-size 4'
    tuned=$base sums=$base pairs='--max-iters 1 --batch-size 8' preferred='' chats='--count 300' limit='--limit 8'
    rewarded='--max-iters 1 --batch-size 8 --eval-batches 1' graded=$rewarded
fi

# Shows a command and runs it.
step() {
    printf '\n$ gptcli'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./=-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$gptcli" "$@"
}

# The same for the training of a run, whose seconds are kept.
trained() {
    began=$(date +%s)
    step train "$@" --out "runs/$run"
    echo $(($(date +%s) - began)) >"$run.seconds"
}

# Measures into FILE.csv what a command of eval finds.
measured() {
    file=$1
    shift
    printf '\n$ gptcli eval %s\n' "$*"
    "$gptcli" eval "$@" --format csv -q >"$file.csv"
}

step prepare python --val-fraction 0.01 --out data/base
# shellcheck disable=SC2086  # a budget is several words
{
    run=base trained --data data/base --family llama $size --block-size 128 $fast $base

    step prepare instructions $chats --tokenizer runs/base
    run=sft trained --init-from runs/base --data data/instructions $fast $answers $tuned
    step sample runs/sft --prompt "What is 27+45?" --num-samples 4 -n 30

    step prepare preferences $chats --tokenizer runs/sft
    run=reward trained --objective reward --init-from runs/sft --data data/preferences $pairs
    run=ppo trained --objective ppo --reward runs/reward --init-from runs/sft --data data/preferences $rewarded
    run=dpo trained --objective dpo --init-from runs/sft --data data/preferences $pairs $preferred
    step sample runs/ppo --prompt "What is 27+45?" --num-samples 4 -n 30

    step prepare addition --digits 2
    run=addition trained --data data/addition --family llama $size $fast $sums
    run=grpo trained --objective grpo --init-from runs/addition --data data/addition $graded

    measured base.figures runs/base --data data/base
    measured reward.figures runs/reward --data data/preferences
    measured answers runs/sft --data data/preferences --reward runs/reward --compare runs/ppo \
        --compare runs/dpo $limit
    measured sums runs/addition --data data/addition --reward exact --compare runs/grpo $limit
    measured greedy runs/addition --data data/addition --reward exact --compare runs/grpo \
        --temperature 0 $limit
}

# value FILE NAME, of a table of names and values; answer FILE RUN COLUMN, of one with a row a model.
value() { awk -F, -v name="$2" '$1 == name { print $2 }' "$1.csv"; }
answer() {
    awk -F, -v run="runs/$2" -v name="$3" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
        $1 == run { print $column }' "$1.csv"
}
share() { awk -v value="$1" 'BEGIN { if (value != "") printf "%.1f%%", 100 * value }'; }
number() { awk -v value="$1" 'BEGIN { if (value != "") printf "%.3f", value }'; }
row() { printf '%-22s %7s  %8s %7s %7s %7s %7s\n' "$@"; }

policy_row() {
    row "$1" "$(cat "$2.seconds")" "$(number "$(answer answers "$2" reward)")" \
        "$(share "$(answer answers "$2" exact)")" "$(share "$(answer answers "$2" final)")" \
        "$(share "$(answer answers "$2" ended)")" "$(share "$(answer answers "$2" win_rate)")"
}
sums_row() {
    row "$1" "$(cat "$2.seconds")" '' "$(share "$(answer sums "$2" exact)")" \
        "$(share "$(answer greedy "$2" exact)")" "$(share "$(answer sums "$2" ended)")" \
        "$(share "$(answer sums "$2" win_rate)")"
}

printf '\nHeld-out questions, one answer each at temperature 1:\n\n'
row 'stage' 'seconds' 'reward' 'exact' 'final' 'ended' 'wins'
policy_row 'instructions' sft
policy_row 'PPO' ppo
policy_row 'DPO' dpo
printf '\nexact: the reference answer. final: its last word. wins: against the model of the first row.\n'
printf '\nbase: %s s, loss %s on text. Reward model: %s s, prefers the better answer in %s of pairs.\n\n' \
    "$(cat base.seconds)" "$(number "$(value base.figures loss)")" \
    "$(cat reward.seconds)" "$(share "$(value reward.figures accuracy)")"
row 'sums' 'seconds' '' 'exact' 'greedy' 'ended' 'wins'
sums_row 'addition' addition
sums_row 'GRPO' grpo
printf '\nall of it is in %s\n' "$folder"
