#!/bin/sh
# From Python's own standard library to a small GPT, in three to four minutes on two cores.
# Everything is written to a new folder, whose name is printed first and last.
set -eu
gptcli=${GPTCLI:-gptcli}
folder=$(mktemp -d "${TMPDIR:-/tmp}/gptcli-demo.XXXXXX")
cd "$folder"
echo "demo folder: $folder"

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

step prepare python --val-fraction 0.01
step tokenize "def attention(query, key, value):"
step train --time-budget 2m
step eval
step sample --prompt "def " --max-new-tokens 400 --temperature 0.8
step inspect-attention --text "for name in names:"
step count-params
printf '\nall of it is in %s\n' "$folder"
