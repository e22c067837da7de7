"""How BAGEL draws and answers: contexts, guidance by three branches, Euler steps; text token by token.

Everything here works on tensors; [`pipeline.BagelPipeline`] has pictures and texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gsi_train.bagel.modeling_bagel import BagelContext, BagelForConditionalGeneration, shift_timesteps
from gsi_train.bagel.packing import Item, Text, VaeImage, VitImage


RENORMS = ("text_channel", "global", "channel")
NORM_FLOOR = 1e-8


class GenerationError(ValueError):
    """Nothing can be drawn or said; the message names the setting and the remedy."""


@dataclass(frozen=True)
class EditSettings:
    """How pictures are drawn; the defaults are those of the released model for edits.

    Attributes:
        points: of time from 1 to 0; one update less than that.
        text_scale: how strongly the text guides; up to 1, nothing guides, not even the pictures.
        image_scale: how strongly the given pictures guide; up to 1, not at all.
        interval: guidance is active where `interval[0] < t <= interval[1]`, t after the shift.
        renorm: keeps the guided velocity from growing. `text_channel`: each token, after the text's guidance;
            `channel`: each token, after both; `global`: the whole picture, after both.
        renorm_min: lower limit of the factor; 1 switches `renorm` off.
        shift: moves times towards noise.
        sample_latents: draw the latents of given pictures from their posterior, as in training, instead of its mode.
    """

    points: int = 50
    text_scale: float = 4.0
    image_scale: float = 2.0
    interval: tuple[float, float] = (0.0, 1.0)
    renorm: str = "text_channel"
    renorm_min: float = 0.0
    shift: float = 3.0
    sample_latents: bool = False

    def __post_init__(self) -> None:
        if self.points < 2:
            raise GenerationError(f"points: {self.points}; at least 2 are needed, for one update")
        if self.renorm not in RENORMS:
            raise GenerationError(f"renorm: there is no {self.renorm!r}; there are {', '.join(RENORMS)}")
        if not 0 <= self.renorm_min <= 1:
            raise GenerationError(f"renorm_min: {self.renorm_min} is not in [0, 1]")
        if self.shift <= 0:
            raise GenerationError(f"shift: {self.shift} is not positive")
        # JSON has no tuples.
        object.__setattr__(self, "interval", tuple(self.interval))

    def guided(self, time: float) -> bool:
        """Whether anything guides at a time."""
        return self.text_scale > 1 and self.interval[0] < time <= self.interval[1]


@dataclass(frozen=True)
class AnswerSettings:
    """How texts are said.

    Attributes:
        max_new_tokens: of an answer.
        temperature: 0 says the likeliest token; above, tokens are drawn.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.temperature < 0:
            raise GenerationError(f"{self}: max_new_tokens must be at least 1, temperature at least 0")


@dataclass(frozen=True)
class Picture:
    """A given picture in both views.

    Attributes:
        vae: as a clean latent.
        vit: for the vision tower.
    """

    vae: VaeImage
    vit: VitImage


@dataclass(frozen=True)
class Branches:
    """What a picture is drawn from.

    Attributes:
        full: everything that was given.
        no_text: without the text that came last.
        no_image: the texts only, as if there never had been a picture.
    """

    full: BagelContext
    no_text: BagelContext
    no_image: BagelContext


@dataclass
class Step:
    """One update, as it was made: for a look inside.

    Attributes:
        time: t.
        states: of each picture before the update, [tokens, 64].
        velocities: guided, of each picture.
        branches: velocities by branch (`full`, and where they were needed `no_text` and `no_image`), of each picture.
    """

    time: float
    states: list[Tensor]
    velocities: list[Tensor]
    branches: dict[str, list[Tensor]] = field(default_factory=dict)


def schedule(points: int, shift: float) -> Tensor:
    """Times from 1 (noise) to 0, [points], float32."""
    return shift_timesteps(torch.linspace(1, 0, points), shift)


def build_branches(model: BagelForConditionalGeneration, items: Sequence[Picture | Text]) -> Branches:
    """Read what is given, three times over.

    Args:
        model: the model.
        items: pictures and texts in their order, e.g. a picture and an instruction.
    """
    full = no_text = no_image = model.new_context()
    for item in items:
        if isinstance(item, Text):
            no_text = full
            full, no_image = model.append([full, no_image], [item, item])
        else:
            views: tuple[Item, ...] = (item.vae, item.vit)
            for view in views:
                [full] = model.append([full], [view])
            no_text = full
    return Branches(full, no_text, no_image)


def guide(full: Tensor, no_text: Tensor, no_image: Tensor | None, settings: EditSettings) -> Tensor:
    """The guided velocity of one picture.

    Args:
        full: velocity of that branch, [tokens, 64].
        no_text: see `full`.
        no_image: see `full`; None where the image scale is at most 1.
        settings: scales and kind of renorm.
    """
    guided = no_text + settings.text_scale * (full - no_text)
    if settings.renorm == "text_channel":
        guided = _renormed(guided, full, settings)
    if no_image is not None:
        guided = no_image + settings.image_scale * (guided - no_image)
    return guided if settings.renorm == "text_channel" else _renormed(guided, full, settings)


def _renormed(guided: Tensor, full: Tensor, settings: EditSettings) -> Tensor:
    """Shorten a guided velocity to the length of the unguided one, never lengthen it."""
    over = None if settings.renorm == "global" else -1
    wanted, found = (torch.linalg.vector_norm(x, dim=over, keepdim=True) for x in (full, guided))
    return guided * (wanted / (found + NORM_FLOOR)).clamp(settings.renorm_min, 1.0)


@torch.no_grad()
def draw(
    model: BagelForConditionalGeneration,
    branches: Sequence[Branches],
    noise: Sequence[Tensor],
    grids: Sequence[tuple[int, int]],
    settings: EditSettings,
    on_step: Callable[[int, int], None] | None = None,
    watch: Callable[[Step], None] | None = None,
) -> list[Tensor]:
    """Draw pictures, all in the same calls of the model; none depends on the others.

    Args:
        model: the model.
        branches: of each picture; pictures may share them.
        noise: what each starts from, [rows * columns, 64].
        grids: (rows, columns) of each.
        settings: how.
        on_step: is told how many updates are done, and of how many.
        watch: is shown every update.

    Returns:
        Latent tokens of each picture, [rows * columns, 64], float32.

    Raises:
        GenerationError: a velocity is not finite.
    """
    times = schedule(settings.points, settings.shift)
    states = [start.to(model.device, torch.float32) for start in noise]
    updates = settings.points - 1
    for number in range(updates):
        time = times[number].item()
        found = _velocities(model, branches, states, grids, time, settings)
        velocities = found["full"]
        if "no_text" in found:
            no_image = found.get("no_image", [None] * len(states))
            several = zip(found["full"], found["no_text"], no_image, strict=True)
            velocities = [guide(full, text, image, settings) for full, text, image in several]
        if watch is not None:
            watch(Step(time, list(states), velocities, found))
        length = (times[number] - times[number + 1]).item()
        states = [state - velocity * length for state, velocity in zip(states, velocities, strict=True)]
        if on_step is not None:
            on_step(number + 1, updates)
    if not all(state.isfinite().all() for state in states):
        raise GenerationError(
            f"the model, in {model.dtype}, draws no finite values; are these trained weights? If so, load them in "
            "bfloat16 or float32"
        )
    return states


def _velocities(
    model: BagelForConditionalGeneration,
    branches: Sequence[Branches],
    states: Sequence[Tensor],
    grids: Sequence[tuple[int, int]],
    time: float,
    settings: EditSettings,
) -> dict[str, list[Tensor]]:
    """Velocities of each branch that matters at a time, of each picture, in one call."""
    names = ["full"]
    if settings.guided(time):
        names += ["no_text", "no_image"] if settings.image_scale > 1 else ["no_text"]
    contexts = [getattr(branch, name) for name in names for branch in branches]
    count = len(names)
    found = model.denoise(contexts, [*states] * count, [*grids] * count, time)
    return {name: found[i * len(states) : (i + 1) * len(states)] for i, name in enumerate(names)}


@torch.no_grad()
def answer(
    model: BagelForConditionalGeneration,
    contexts: Sequence[BagelContext],
    settings: AnswerSettings,
    generators: Sequence[torch.Generator] | None = None,
    watch: Callable[[Tensor], None] | None = None,
) -> list[list[int]]:
    """Say something in each context, token by token; none depends on the others.

    Args:
        model: the model.
        contexts: what was seen and asked.
        settings: how.
        generators: one for each context, on the CPU; for a temperature above 0.
        watch: is shown the logits of every step, of those that still speak.

    Returns:
        Tokens of each, without those that start and end an answer.
    """
    config = model.config
    speaking = dict(enumerate(contexts))
    last = dict.fromkeys(speaking, config.bos_token_id)
    said: list[list[int]] = [[] for _ in contexts]
    for _ in range(settings.max_new_tokens):
        logits, grown = model.next_token(list(speaking.values()), [last[number] for number in speaking])
        if watch is not None:
            watch(logits)
        for number, context, row in zip(list(speaking), grown, logits, strict=True):
            token = _chosen(row, settings.temperature, generators[number] if generators else None)
            if token == config.eos_token_id:
                del speaking[number]
                continue
            speaking[number], last[number] = context, token
            said[number].append(token)
        if not speaking:
            break
    return said


def _chosen(logits: Tensor, temperature: float, generator: torch.Generator | None) -> int:
    if temperature == 0:
        return int(logits.argmax())
    shares = torch.softmax(logits.cpu() / temperature, dim=-1)
    return int(torch.multinomial(shares, 1, generator=generator))
