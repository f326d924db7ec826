"""What a policy answers to held-out questions, and what that is worth."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from gptcli.data.questions import QuestionBatch
from gptcli.evaluation.rewards import exact_reward, final_reward
from gptcli.training.protocol import Figures, Watch
from gptcli.training.rollouts import Rollouts, RolloutWriter
from gptcli.training.training_run import TrainingRun

_N_QUESTIONS = 256
_N_SHOWN = 8  # in answers.jsonl
_SAMPLE = 64  # questions by which the time for all is measured


class PolicyEvaluation:
    """Asks the same held-out questions each time, and draws the answers from the same streams.

    So two evaluations differ by the weights alone. Where no question was held out, those of train
    are asked.
    """

    def __init__(self, training: TrainingRun, writer: RolloutWriter) -> None:
        config, dataset = training.config, training.dataset
        held_out = writer.questions_of(dataset.val)
        self._split = "val" if len(held_out) else "train"
        questions = held_out if len(held_out) else writer.questions
        batches = config.eval_batches
        most = _N_QUESTIONS if batches is None else batches * config.batch_size
        self._asked = questions.at(slice(most)).read(dataset.split(self._split))
        self._decode = dataset.tokenizer.decode
        self._writer = writer
        self._rules = {
            "exact": exact_reward(dataset.tokenizer, dataset.answer_ends),
            "final": final_reward(dataset.tokenizer, dataset.answer_ends),
        }

    def rollouts(self, watch: Watch) -> Rollouts:
        """Have the questions answered."""
        n_questions = len(self._asked.prompts)
        watch(self._split, 0, n_questions)
        rollouts = self._answered(self._asked)
        watch(self._split, n_questions, n_questions)
        return rollouts

    def seconds(self) -> float:
        """About how long that takes, measured on some of the questions."""
        some = QuestionBatch(self._asked.prompts[:_SAMPLE], self._asked.references[:_SAMPLE])
        started = time.perf_counter()
        self._answered(some)
        return (time.perf_counter() - started) * len(self._asked.prompts) / len(some.prompts)

    def _answered(self, asked: QuestionBatch) -> Rollouts:
        return self._writer.answered(asked, "evaluation")

    def figures(self, rollouts: Rollouts, divergence: float) -> Figures:
        """Means over the answers, the divergence among them; the highest reward is the best."""
        found = rollouts.figures
        rules = {
            name: float(rule(rollouts.asked, rollouts.answers).mean())
            for name, rule in self._rules.items()
        }
        values = {
            "reward": found["reward"],
            **rules,
            "ended": found["ended"],
            "answer_tokens": found["answer_tokens"],
            "kl": divergence,
        }
        named = {f"{self._split}_{name}": value for name, value in values.items()}
        return Figures(named, -found["reward"], tuple(self._examples(rollouts)))

    def _examples(self, rollouts: Rollouts) -> Iterator[Mapping[str, Any]]:
        """The first questions with their answers, as text."""
        asked, rewards = rollouts.asked, rollouts.rewards.tolist()
        texts = (asked.prompts, rollouts.answers.ids, asked.references)
        for row, (question, answer, reference) in enumerate(zip(*texts, strict=True)):
            if row == _N_SHOWN:
                return
            yield {
                "question": self._decode(question),
                "answer": self._decode(answer),
                "reward": rewards[row],
                "reference": self._decode(reference),
            }
