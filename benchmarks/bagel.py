"""Speed and memory of BAGEL at full size with random weights: training of adapters, and edits.

    python benchmarks/bagel.py                       on a GPU of 80 GB, about eight minutes
    python benchmarks/bagel.py --tiny --device cpu   the same steps in small, anywhere

Training: adapters of rank 64 on the generation expert, in bfloat16, of packs of triplets of 512 pixels (latents are
random, the autoencoder is timed by itself). A step is forward, backward, clipping and AdamW. MFU is that of
`gsi_train.flops`: nothing that is computed again counts. Every line is also given as a ratio to the first one.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting
from PIL import Image

from gsi_train.bagel.adapters import add_adapter
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.generation import EditSettings
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.bagel.packing import Pack, VaeImage, VitImage, build_pack, edit_items
from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.bagel.processing_bagel import BagelImageProcessor, BagelProcessor, ResizeRule
from gsi_train.bagel.vae import encode, new_vae
from gsi_train.flops import pack_flops, peak_flops
from gsi_train.optimizers import make_optimizer
from gsi_train.tiny import tiny_config, tiny_tokenizer


RANK = 64
WORDS = 40


@dataclass(frozen=True)
class Variant:
    """A way to train: attention, what is computed again (`none`, `mlps`, `layers`), compiled or not, samples."""

    attention: str
    checkpointing: str
    compiled: bool
    samples: int

    def __str__(self) -> str:
        return f"{self.attention:15s}{self.checkpointing:8s}{'compiled' if self.compiled else '':10s}{self.samples:3d}"


VARIANTS = (
    Variant("sdpa", "layers", False, 1),
    Variant("sdpa", "none", False, 1),
    Variant("flex_attention", "layers", False, 1),
    Variant("flex_attention", "none", False, 1),
    Variant("flex_attention", "mlps", True, 1),
    Variant("flex_attention", "mlps", True, 2),
    Variant("flex_attention", "none", True, 1),
    Variant("flex_attention", "layers", True, 3),
)


class Bench:
    """A model on a device, and how to time it.

    Args:
        device: where.
        tiny: a model of two narrow layers, and pictures of 64 pixels.
    """

    def __init__(self, device: torch.device, tiny: bool) -> None:
        self.device, self.tiny = device, tiny
        self.config = tiny_config() if tiny else BagelConfig()
        torch.manual_seed(0)
        # Made where it stays: there is never a copy in host memory.
        with torch.device(device):
            self.model: Any = BagelForConditionalGeneration._from_config(self.config, dtype=torch.bfloat16)
            self.vae = new_vae(self.config.vae_config).bfloat16().eval()
        with torch.no_grad():
            # As made, it would draw nothing at all.
            self.model.llm2vae.weight.normal_(0, 0.02)

    def wait(self) -> None:
        """Until the device has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], Any], times: int) -> float:
        """Median of some runs."""
        taken = []
        for _ in range(times):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)

    @contextmanager
    def memory(self) -> Iterator[list[float]]:
        """Peak of what is allocated on a GPU, GB (10^9 bytes)."""
        peak: list[float] = []
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        yield peak
        peak.append(torch.cuda.max_memory_allocated() / 1e9 if self.device.type == "cuda" else float("nan"))

    def show_edits(self) -> None:
        """One edit of 50 points with the settings of the released model, by size."""
        for side in (64,) if self.tiny else (512, 1024):
            # The views of the released model: up to 980 pixels for the vision tower.
            vit = ResizeRule(56, 56, 14) if self.tiny else ResizeRule(980, 224, 14)
            images = BagelImageProcessor(ResizeRule(side, side, 16 if not self.tiny else 8), vit)
            bagel = BagelPipeline(self.model.eval(), self.vae, BagelProcessor(images, tiny_tokenizer()))
            turn = [Image.effect_noise((side, side), 80).convert("RGB"), "x" * WORDS]

            def draw(points: int, bagel: BagelPipeline = bagel, turn: Any = turn) -> None:
                bagel.edit([turn], [0], settings=EditSettings(points=points))

            with self.memory() as peak:
                draw(3)
                taken = self.seconds(lambda: draw(50), 1)
            print(f"  edit of {side} px, 50 points, 3 branches {taken:9.2f} s {peak[0]:8.1f} GB", flush=True)

    def show_encoding(self) -> None:
        """What two pictures of a triplet cost the autoencoder, which the lines of training do without."""
        side = 64 if self.tiny else 512
        pixels = torch.rand(1, 3, side, side, device=self.device) * 2 - 1
        encode(self.vae, pixels)
        taken = self.seconds(lambda: [encode(self.vae, pixels) for _ in range(2)], 5)
        print(f"  autoencoder, two pictures of {side} px {1e3 * taken:13.1f} ms")

    def add_adapters(self) -> None:
        """From here on the model learns."""
        self.adapted = add_adapter(self.model, RANK)
        self.model.train()
        self.learned = [weight for weight in self.adapted.parameters() if weight.requires_grad]
        self.optimizer = make_optimizer(self.learned, name="adamw", learning_rate=1e-4)

    def pack(self, samples: int) -> Pack:
        """Triplets as the recipe packs them."""
        latents, patches = (8, 4) if self.tiny else (32, 37)
        side = patches * self.config.vision_config.patch_size
        items = []
        for _ in range(samples):
            picture = VaeImage(grid=(latents, latents), timestep_logit=0.0)
            items.append(edit_items(picture, VitImage(pixels=torch.rand(3, side, side)), [1] * WORDS, picture))
        return build_pack(items, self.config)

    def prepare(self, variant: Variant) -> None:
        """Undo the variant before, set this one up."""
        torch._dynamo.reset()
        self.model.set_attn_implementation({"": variant.attention})
        self.model.gradient_checkpointing_disable()
        decoder = self.model.language_model.model
        for layer in decoder.layers:
            vars(layer).pop("forward", None)
            layer.mlp_checkpointing = False
        if variant.checkpointing == "layers":
            self.model.gradient_checkpointing_enable()
        elif variant.checkpointing == "mlps":
            decoder.checkpoint_mlps()
        if variant.compiled:
            decoder.compile_layers()

    def train(self, variant: Variant, steps: int) -> tuple[float, float, float, float]:
        """Seconds of the first step, then of one step; tokens of the pack; peak memory, GB."""
        self.prepare(variant)
        pack = self.pack(variant.samples).to(self.device)
        latents = torch.randn(len(pack.latent_indexes), self.config.latent_token_size, device=self.device)

        def step() -> None:
            with torch.autocast(self.device.type, torch.bfloat16), disable_input_dtype_casting(self.adapted):
                loss = self.adapted(pack, latents, freeze_und=True).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.learned, 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()

        with self.memory() as peak:
            first = self.seconds(step, 1)
            self.seconds(step, 1)
            taken = self.seconds(step, steps)
        return first, taken, len(pack), peak[0]


def show_training(bench: Bench, steps: int, until: float) -> None:
    """A line for each variant that works here, while there is time."""
    peak = peak_flops(bench.device)
    print("\n  attention      again   layers    samples  first s   step s  tokens/s    MFU   GPU GB  ratio")
    reference = None
    for variant in VARIANTS:
        if bench.device.type != "cuda" and (variant.compiled or variant.attention == "flex_attention"):
            print(f"  {variant}      left out: for GPUs only")
            continue
        if time.monotonic() > until:
            print(f"  {variant}      left out: no time is left (--minutes)")
            continue
        try:
            first, taken, tokens, memory = bench.train(variant, steps)
        except torch.OutOfMemoryError:
            print(f"  {variant}      out of memory", flush=True)
            bench.optimizer.zero_grad()
            continue
        speed = tokens / taken
        reference = reference or speed
        work = pack_flops(bench.config, bench.pack(variant.samples), mode="lora", lora_rank=RANK)
        mfu = f"{100 * work / taken / peak:5.1f}%" if peak else "   -  "
        print(
            f"  {variant}    {first:9.1f} {taken:8.3f} {speed:9.0f} {mfu} {memory:8.1f} {speed / reference:5.2f}x",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a tiny model")
    parser.add_argument("--device", default="cuda", help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=8, help="timed steps of each line (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=8, help="no line starts later (default: %(default)s)")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no GPU here: run this on a machine with one, or try it out with --tiny --device cpu")
    # transformers renames what switches checkpointing on, from 5.23; we go with older ones, too.
    warnings.filterwarnings("ignore", category=FutureWarning)
    until = time.monotonic() + 60 * options.minutes
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    bench = Bench(device, options.tiny)
    weights = sum(weight.numel() for weight in bench.model.parameters())
    print(f"BAGEL with {weights:,} random weights in bfloat16\n", flush=True)
    bench.show_edits()
    bench.show_encoding()
    bench.add_adapters()
    print(f"\n  adapters of rank {RANK}: {sum(weight.numel() for weight in bench.learned):,} weights learn")
    show_training(bench, options.steps, until)


if __name__ == "__main__":
    main()
