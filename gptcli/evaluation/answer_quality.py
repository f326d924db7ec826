"""How good a model's answers are: their reward, how many are right, their length.

Q questions, S answers to each.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.data.questions import QuestionBatch
from gptcli.evaluation.answering import Answers, AnswerWriter
from gptcli.evaluation.rewards import Reward, exact_reward, final_reward
from gptcli.runtime.progress import Advance, no_progress
from gptcli.runtime.seeds import derive_seed

PerAnswer = NDArray[np.float64]


@dataclass(frozen=True)
class AnswerQuality:
    """Figures of every answer, (Q, S) each; ``answers`` has those to a question side by side.

    ``exact`` and ``final`` are the rewards of these rules, ``ended`` is 1 with an end token.
    """

    answers: Answers
    rewards: PerAnswer
    exact: PerAnswer
    final: PerAnswer
    ended: PerAnswer
    lengths: PerAnswer

    def means(self) -> dict[str, float]:
        """The mean of each figure over all answers."""
        return {
            "reward": float(self.rewards.mean()),
            "exact": float(self.exact.mean()),
            "final": float(self.final.mean()),
            "ended": float(self.ended.mean()),
            "answer_tokens": float(self.lengths.mean()),
        }


def measure_answers(
    writer: AnswerWriter,
    questions: QuestionBatch,
    reward: Reward,
    n_samples: int = 1,
    advance: Advance = no_progress,
    after_token: Callable[[], None] = lambda: None,
) -> AnswerQuality:
    """Let a model answer each question ``n_samples`` times, and measure its answers.

    Answer i to question q has the same random stream every time and for every model.
    """
    numbers = range(len(questions.prompts))
    asked = QuestionBatch(
        [prompt for prompt in questions.prompts for _ in range(n_samples)],
        [reference for reference in questions.references for _ in range(n_samples)],
    )
    seed = writer.config.seed
    seeds = [derive_seed(seed, "answer", q, i) for q in numbers for i in range(n_samples)]
    answers = writer.answers(asked.prompts, seeds, advance, after_token)
    rules = (exact_reward, final_reward)
    exact, final = (rule(writer.tokenizer, writer.ends)(asked, answers) for rule in rules)
    figures = (reward(asked, answers), exact, final, answers.ended, answers.lengths)
    return AnswerQuality(
        answers, *(one.astype(np.float64).reshape(-1, n_samples) for one in figures)
    )
