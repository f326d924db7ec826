#!/bin/sh
# What a policy does to a reward model that nothing holds it back from: PPO for 120 iterations with
# the usual --kl-coef and with none, after examples/from_gpt_to_chatgpt.sh, in its folder:
#
#     FOLDER=/tmp/gptcli-chat.Xy12ab sh examples/reward_hacking.sh
#
# In the table the reward is what was optimized, exact and final are what was meant. Six minutes.
set -eu
gptcli=${GPTCLI:-gptcli}
cd "${FOLDER:?give the folder that from_gpt_to_chatgpt.sh has named}"

for coefficient in 0.05 0; do
    "$gptcli" train --objective ppo --reward runs/reward --init-from runs/sft \
        --data data/preferences --kl-coef "$coefficient" --max-iters "${ITERATIONS:-120}" \
        --out "runs/kl-$coefficient"
done
"$gptcli" eval runs/sft --data data/preferences --reward runs/reward \
    --compare runs/kl-0.05 --compare runs/kl-0
