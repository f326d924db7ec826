"""Prepares a large corpus on a Ray cluster, on a disk that all of its nodes see.

    python examples/many_machines/on_ray.py --out data/big --shares 16 'corpus/**/*.jsonl.zst'

Ray (pip install ray) places the shares and repeats those whose worker died; gptcli does the rest.
Without a cluster (RAY_ADDRESS) it starts one here.
"""

import argparse
import subprocess
import sys

import ray

GPTCLI = [sys.executable, "-m", "gptcli", "prepare"]


@ray.remote(max_retries=3)
def encode_share(out: str, index: int, shares: int) -> None:
    """One share of the plan; to repeat it is escape_controls."""
    share = f"{index}/{shares}"
    subprocess.run([*GPTCLI, "--out", out, "--shard", share, "--workers", "1"], check=True)


def main() -> None:
    """Plan, encode the shares wherever there is room, merge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--out", required=True)
    parser.add_argument("--shares", type=int, default=16)
    parser.add_argument("--tokenizer", default="char")
    asked = parser.parse_args()

    plan = ["--plan", "--out", asked.out, "--tokenizer", asked.tokenizer]
    subprocess.run([*GPTCLI, *plan, *asked.sources], check=True)
    ray.init(include_dashboard=False)
    ray.get([encode_share.remote(asked.out, index, asked.shares) for index in range(asked.shares)])
    subprocess.run([*GPTCLI, "--merge", "--out", asked.out], check=True)


if __name__ == "__main__":
    main()
