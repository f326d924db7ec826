"""Comparing a model with the one that transformers loads from the same directory."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gptcli.config.sampling import SamplingConfig
from gptcli.families.registry import TRAINABLE, model_type_of
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import generate
from gptcli.generation.loaded_model import LoadedModel
from gptcli.runtime.seeds import derive_seed

_TOLERANCE = 1e-4  # of the largest logit: float32 sums in another order, through many layers
# Without a value, transformers asks on stdin whether to run code that the directory holds.
_OWN_CODE_ONLY = {"local_files_only": True, "trust_remote_code": False}
_N_TOKENS = 256
_N_PROMPT = 8
_N_GREEDY = 32


class TransformersMissingError(Exception):
    """The reason why transformers cannot load the directory."""


@dataclass(frozen=True)
class TransformersComparison:
    """Compares a loaded model with the one that transformers makes of the same directory."""

    loaded: LoadedModel
    model: Any
    tokenizer: Any

    @classmethod
    def of(cls, loaded: LoadedModel) -> "TransformersComparison":
        """Load the directory with transformers.

        TransformersMissingError where it is not installed, or has no such family.
        """
        family = model_type_of(loaded.model.config)
        if family not in TRAINABLE:
            raise TransformersMissingError(f"it has no models of type {family}")
        try:
            import transformers
        except ImportError:
            raise TransformersMissingError("not installed: `pip install transformers`") from None
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        try:
            model, tokenizer = _load(str(loaded.directory), loaded.model.config.score)
        except ValueError as error:
            if "trust_remote_code" not in str(error):
                raise
            raise TransformersMissingError(
                f"{loaded.directory} names code of its own to load it with (auto_map), "
                "which is never run"
            ) from None
        return cls(loaded, model.to(loaded.device).eval(), tokenizer)

    def compare_ids(self) -> tuple[bool, str]:
        """Compare the ids of a text made of random tokens, and those that are put around it.

        A run that was trained without the latter is compared without.
        """
        tokenizer = self.loaded.tokenizer
        text = tokenizer.decode(self._random_ids)
        ours = tokenizer.encode(text, add_special_tokens=True).tolist()
        is_bare = tokenizer.is_bare
        theirs = self.tokenizer(text, add_special_tokens=not is_bare)["input_ids"]
        if ours == theirs:
            without = ", without the special tokens that this run was trained without" * is_bare
            return True, f"transformers gives the same {len(ours):,} ids{without}"
        n_equal = _n_equal(ours, theirs)
        return False, f"transformers gives other ids, first at token {n_equal:,} of {len(ours):,}"

    @torch.inference_mode()
    def compare_logits(self) -> tuple[bool, str]:
        """Compare the logits over some random tokens by their largest difference."""
        ids = torch.tensor([self._random_ids], device=self.loaded.device)
        ours, theirs = self.loaded.model(ids), self.model(ids).logits
        difference, largest = float((ours - theirs).abs().max()), float(theirs.abs().max())
        detail = f"within {difference:.1e} of transformers' over {ids.shape[1]:,} tokens"
        return difference <= _TOLERANCE * max(1.0, largest), detail

    @torch.inference_mode()
    def compare_score(self) -> tuple[bool, str]:
        """Compare the scores of some random tokens; transformers' is read where no padding is."""
        padding = self.model.config.pad_token_id
        ids = torch.tensor([[one for one in self._random_ids if one != padding]])
        ids = ids.to(self.loaded.device)
        ours, theirs = float(self.loaded.model(ids)[0, -1]), float(self.model(ids).logits)
        detail = f"{ours:.6g}, transformers' is {theirs:.6g}, of {ids.shape[1]:,} tokens"
        return abs(ours - theirs) <= _TOLERANCE * max(1.0, abs(theirs)), detail

    def compare_greedy_text(self) -> tuple[bool, str]:
        """Compare the greedy continuations of a prompt."""
        prompt = self._random_ids[:_N_PROMPT]
        n_new = min(_N_GREEDY, self.loaded.model.config.block_size - len(prompt))
        config = SamplingConfig(max_new_tokens=max(1, n_new), temperature=0.0)
        decoder = Decoder(self.loaded.model, 1, self.loaded.device)
        steps = generate(decoder, [prompt], config)
        logits, ours = [], []
        for step in steps:
            ours.append(int(step.ids))
            logits.append(step.logits[0])
        n_equal = _n_equal(ours, self._their_greedy(prompt, len(ours)))
        if n_equal < len(ours) and _is_tie(logits[n_equal]):
            return True, f"{n_equal} of {len(ours)} tokens are transformers' own, then two tie"
        return n_equal == len(ours), f"{n_equal} of {len(ours)} tokens are transformers' own"

    @torch.inference_mode()
    def _their_greedy(self, prompt: list[int], n_new: int) -> list[int]:
        ids: Tensor = torch.tensor([prompt], device=self.loaded.device)
        for _ in range(n_new):
            likeliest = self.model(ids).logits[:, -1].argmax(dim=-1)
            ids = torch.cat([ids, likeliest[:, None]], dim=1)
        return ids[0, len(prompt) :].tolist()

    @cached_property
    def _random_ids(self) -> list[int]:
        tokenizer, model = self.loaded.tokenizer, self.loaded.model
        special = {*tokenizer.special_tokens.values(), *tokenizer.missing_ids}
        usual = torch.tensor([n for n in range(tokenizer.vocab_size) if n not in special])
        generator = torch.Generator().manual_seed(derive_seed(0, "verify"))
        n_tokens = min(_N_TOKENS, model.config.block_size)
        return usual[torch.randint(len(usual), (n_tokens,), generator=generator)].tolist()


def _load(directory: str, is_reward_model: bool) -> tuple[Any, Any]:
    """The model and the tokenizer that transformers makes of the directory, by its own code."""
    import transformers

    kind = transformers.AutoModelForCausalLM
    if is_reward_model:
        kind = transformers.AutoModelForSequenceClassification
    model = kind.from_pretrained(directory, dtype=torch.float32, **_OWN_CODE_ONLY)
    return model, transformers.AutoTokenizer.from_pretrained(directory, **_OWN_CODE_ONLY)


def _is_tie(logits: Tensor) -> bool:
    """Whether the two largest logits of (V,) are closer than the tolerance."""
    first, second = logits.topk(2).values.tolist()
    return bool(first - second <= 2 * _TOLERANCE * max(1.0, float(logits.abs().max())))


def _n_equal(ours: list[int], theirs: list[int]) -> int:
    """Length of the common beginning."""
    pairs = enumerate(zip(ours, theirs, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
