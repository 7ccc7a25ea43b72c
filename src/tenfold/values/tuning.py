"""What a recipe's ``[tune]`` table says: which keys are searched through, how, and how a trial is judged."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Scalar = bool | int | float | str


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Range(_Table):
    """Numbers from ``low`` to ``high``, both included; whole ones where both ends and the step are."""

    low: int | float
    high: int | float
    log: bool = False
    """Equal ratios are equally likely: for learning rates and penalties."""
    step: Annotated[int | float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"found low = {self.low} and high = {self.high}, expected low < high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a logarithmic range starts above 0 and has no step")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether its values are integers."""
        return all(isinstance(value, int) for value in (self.low, self.high, 1 if self.step is None else self.step))


class TuneSettings(_Table):
    """A search: ``ranges`` maps keys as ``--set`` takes them to a range, or to a list of choices."""

    trials: Annotated[int, Field(ge=1, le=100_000)] = 30
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds that the rows are dealt into; a trial is judged by out-of-fold rows."""
    scored: Annotated[int, Field(ge=1)] = 1
    """How many of the folds each trial trains: 1 is a quick look, all of them a cross-validation."""
    metric: Literal["accuracy", "log-loss"] = "accuracy"
    startup: Annotated[int, Field(ge=1)] = 10
    """Trials drawn at random before the search learns from them; none of them is stopped early, either."""
    prune: bool = True
    """Stop a trial whose first member is, after an epoch, worse on its held-out rows than the median of the others."""
    ranges: Annotated[
        dict[str, Range | Annotated[tuple[Scalar, ...], Field(min_length=2)]],
        Field(min_length=1),
    ]

    @model_validator(mode="after")
    def _has_the_folds(self) -> Self:
        if self.scored > self.folds:
            raise ValueError(f"found scored = {self.scored} of folds = {self.folds}, expected no more than there are")
        return self
