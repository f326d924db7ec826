"""``--init-from``: the checkpoint whose weights a new run begins with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gptcli.checkpoint.config_json import read_model_config
from gptcli.checkpoint.consistent_reading import Stamp, stamp
from gptcli.checkpoint.layout import file_layout
from gptcli.checkpoint.manifest import check_description
from gptcli.checkpoint.run import Origin
from gptcli.checkpoint.tensors import Weights, read_weights
from gptcli.checkpoint.weight_file import opened_weights
from gptcli.config.checks import flag_with
from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError, UsageError
from gptcli.families.family import Preset
from gptcli.families.registry import model_type_of
from gptcli.runtime.hashing import sha256_of_streams
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.training.chosen_model import MODEL_FLAGS
from gptcli.training.usual_rates import fine_tuning_rates
from gptcli.training.vocabulary_growth import VocabularyGrowth

_POSITIONS = "position_embedding.weight"


@dataclass(frozen=True)
class StartingPoint:
    """A model directory and what its config.json says; ``stamp`` tells when it is replaced.

    ``growth`` are the tokens that the new run's tokenizer has beyond the directory's.
    """

    directory: Path
    stored: ModelConfig
    stamp: Stamp
    growth: VocabularyGrowth | None = None

    @classmethod
    def at(cls, directory: Path) -> "StartingPoint":
        """Check and read what stands beside the weights of a model directory."""
        before = stamp(directory)
        check_description(directory)
        return cls(directory, read_model_config(directory), before)

    def grown(self, old: Tokenizer, new: Tokenizer) -> "StartingPoint":
        """The same; where ``new`` extends the directory's ``old``, with rows for its tokens.

        Raises UsageError where the model cannot grow.
        """
        if new.vocab_size <= old.vocab_size or not new.extends(old):
            return self
        growth = VocabularyGrowth(old, new)
        growth.model(self.stored)
        return replace(self, growth=growth)

    @property
    def model(self) -> ModelConfig:
        """The model that the new run begins with."""
        return self.growth.model(self.stored) if self.growth else self.stored

    def preset(self, given: Mapping[str, Any]) -> Preset:
        """The model as a preset with a tenth of the usual learning rates, for fine-tuning.

        Raises UsageError where a flag in ``given`` contradicts the model.
        """
        has = {**self.model.whole(), "family": model_type_of(self.model)}
        for name, value in given.items():
            if name in ("family", *MODEL_FLAGS) and name not in ("dropout", "block_size"):
                self._check(name, value, has[name])
        longest = self.model.block_size
        if given.get("block_size", longest) > longest:
            raise UsageError(
                f"--block-size {given['block_size']} is longer than the {longest:,} of "
                f"{self.directory}: a context can only be cropped"
            )
        optimizer = given.get("optimizer", TrainConfig.optimizer)
        values = {"optimizer": optimizer, **fine_tuning_rates(self.model, optimizer)}
        return Preset(self.model, "", values)

    def _check(self, name: str, value: object, ours: object) -> None:
        if value != ours:
            has = flag_with(name, ours) if isinstance(ours, bool) else ours
            raise UsageError(
                f"{flag_with(name, value)} contradicts {self.directory}, which has {has}: "
                "leave it out"
            )

    def _check_finite(self, weights: Weights) -> None:
        for entry in file_layout(self.stored):
            if not entry.absent and not bool(weights[entry.parameter].isfinite().all()):
                raise CheckpointError(
                    f"{self.directory}: tensor {entry.name} has values that are not finite: "
                    "use an earlier checkpoint"
                )

    def weights(self, block_size: int) -> tuple[Weights, Origin]:
        """Load the parameters, and what train.json records about them.

        Learned positions are cropped to the first ``block_size``, and there are rows for the new
        tokens of ``growth``. CheckpointError where the directory has been replaced since its
        config.json was read, or a value is not finite.
        """
        with opened_weights(self.directory) as files:
            weights = read_weights(files, self.stored)
            content = sha256_of_streams(file.stream for file in files)
        if stamp(self.directory) != self.stamp:
            raise CheckpointError(f"{self.directory} was replaced while it was read: try again")
        if block_size < self.model.block_size and _POSITIONS in weights:
            weights[_POSITIONS] = weights[_POSITIONS][:block_size].clone()
        self._check_finite(weights)
        if self.growth:
            weights = self.growth.weights(weights, self.model.vocab_size)
        return weights, Origin(self.directory.as_posix(), content)
