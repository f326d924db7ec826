"""``eval --reward``: a model answers the questions of a split, and its answers are judged."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gptcli.checkpoint.weights_step import step_document
from gptcli.commands.eval.command import EvalRequest
from gptcli.commands.eval.judging import (
    AskedQuestions,
    JudgedModel,
    asked_questions,
    judged,
    opened_reward,
)
from gptcli.commands.eval.subject import Subject
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.canvas import clipped
from gptcli.commands.view.tables import Cell, Figure, Table, facts, records
from gptcli.config.checks import counted
from gptcli.data.questions import QuestionBatch
from gptcli.evaluation.paired_difference import PairedDifference

_SHOWN, _WIDEST = 5, 40  # questions with their answers; characters of each in a table
_COLUMNS = (
    "model", "reward", "error", "exact", "final", "ended", "tokens", "difference",
    "error of it", "win rate", "95 % interval",
)  # fmt: skip
_NOTE = (
    "A difference is the reward minus the first model's, on the same questions. A model wins a "
    "question where its answer earns more than the first model's; ties count half."
)


def rewards_answer(subjects: Sequence[Subject], request: EvalRequest) -> Answer:
    """Let every model answer the same questions, and judge all answers alike."""
    asked = asked_questions(subjects, request)
    reward = opened_reward(request, asked, subjects[0].loaded.device)
    batch = asked.read()
    models = list(judged(subjects, asked, batch, reward))
    documents = [_document(one) for one in models]
    conditions = {"reward": request.reward, **_conditions(subjects[0], asked)}
    examples = list(_examples(models[0], asked, batch))
    table = _comparison(models, conditions) if len(models) > 1 else _facts(models[0], conditions)
    return Answer(
        "gptcli.eval-reward/1",
        lambda: {**conditions, "models": documents, "examples": examples},
        [table, _examples_table(examples)],
        csv=records(documents),
    )


def _conditions(subject: Subject, asked: AskedQuestions) -> dict[str, Any]:
    """What must be equal for two figures to be comparable."""
    return {
        "data": subject.data,
        "split": subject.split,
        "questions": len(asked.questions),
        "left_out": asked.n_left_out,
        "num_samples": asked.config.num_samples,
        "temperature": asked.config.temperature,
        "max_new_tokens": asked.config.max_new_tokens,
    }


def _document(model: JudgedModel) -> dict[str, Any]:
    reward, difference, wins = model.reward, model.difference, model.wins
    return {
        "model": model.subject.name,
        **step_document(model.subject.loaded.step),
        **model.quality.means(),
        "reward_error": reward.standard_error,
        "difference": None if difference is None else difference.mean,
        "standard_error": None if difference is None else difference.standard_error,
        "win_rate": None if wins is None else wins.share,
        "win_rate_low": None if wins is None else wins.low,
        "win_rate_high": None if wins is None else wins.high,
    }


def _facts(model: JudgedModel, conditions: Mapping[str, Any]) -> Table:
    means = model.quality.means()
    shares = (
        ("exact", "of the answers are the reference answer"),
        ("final", "end with its last word"),
        ("ended", "come to an end"),
    )
    return facts(
        "",
        (
            ("reward", Figure(means["reward"], _with_error(model.reward))),
            *((name, Figure(means[name], f"{means[name]:.2%} {what}")) for name, what in shares),
            ("answer tokens", Figure(means["answer_tokens"], f"{means['answer_tokens']:.1f}")),
            ("questions", f"{conditions['questions']:,}, {_way(conditions)}"),
            ("reward is", str(conditions["reward"])),
            ("data", f"{conditions['data']}, {conditions['split']} split"),
        ),
    )


def _comparison(models: Sequence[JudgedModel], conditions: Mapping[str, Any]) -> Table:
    title = f"Answers of models to the same questions, judged by {conditions['reward']}"
    asked = counted(conditions["questions"], "question")
    place = f"{conditions['data']}, {conditions['split']} split: {asked}, {_way(conditions)}."
    spare = ("tokens", "ended", "error", "final")
    rows = tuple(map(_row, models))
    return Table(title, _COLUMNS, rows, spare, notes=(place, _NOTE), stacks=True)


def _row(model: JudgedModel) -> tuple[Cell, ...]:
    means, difference, wins = model.quality.means(), model.difference, model.wins
    shares = (Figure.of(means[name], ".2%") for name in ("exact", "final", "ended"))
    interval = "" if wins is None else f"{wins.low:.1%} to {wins.high:.1%}"
    return (
        model.subject.name,
        Figure.of(means["reward"], ".4f"),
        Figure.of(model.reward.standard_error, ".4f"),
        *shares,
        Figure.of(means["answer_tokens"], ".1f"),
        Figure.of(None if difference is None else difference.mean, "+.4f"),
        Figure.of(None if difference is None else difference.standard_error, ".4f"),
        Figure.of(None if wins is None else wins.share, ".1%"),
        interval,
    )


def _with_error(reward: PairedDifference) -> str:
    error = "" if reward.standard_error is None else f", standard error {reward.standard_error:.4f}"
    return f"{reward.mean:.4f}{error}"


def _way(conditions: Mapping[str, Any]) -> str:
    """How the questions are answered."""
    answers = counted(conditions["num_samples"], "answer")
    return (
        f"{answers} to each, at temperature {conditions['temperature']:g}, of at most "
        f"{counted(conditions['max_new_tokens'], 'token')}"
    )


def _examples(
    model: JudgedModel, asked: AskedQuestions, batch: QuestionBatch
) -> Iterator[dict[str, Any]]:
    """The first questions, a model's first answer to each, the reference and the reward."""
    decode, n_samples = model.subject.loaded.tokenizer.decode, asked.config.num_samples
    pairs = zip(batch.prompts, batch.references, strict=True)
    for number, (prompt, reference) in enumerate(pairs):
        if number == _SHOWN:
            return
        yield {
            "question": decode(prompt),
            "answer": decode(model.quality.answers.ids[number * n_samples]),
            "reference": decode(reference),
            "reward": float(model.quality.rewards[number, 0]),
        }


def _examples_table(examples: Sequence[Mapping[str, Any]]) -> Table:
    columns = ("question", "reward", "reference", "answer")
    rows = tuple(
        (
            _ending(one["question"]),
            Figure.of(one["reward"], ".4g"),
            clipped(one["reference"], _WIDEST),
            clipped(one["answer"], _WIDEST),
        )
        for one in examples
    )
    return Table("Some answers of the first model", columns, rows, ("reference",))


def _ending(text: str) -> str:
    """The end of a long text: of a conversation the last question."""
    return text if len(text) <= _WIDEST else f"…{text[1 - _WIDEST :]}"
