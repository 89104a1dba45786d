"""The kernels of one batch, as it was before anything was fused and as it is: torch's table by the device's time.

python jobs/bench/gpu/profile_one.py --shape bert-base minilm-l6
"""

from __future__ import annotations

import argparse

import torch
from forward_gpu import TOKENS, batch_of, forwards, random_family, way_of
from torch.profiler import ProfilerActivity, profile

from harness.random_model import SHAPES
from scorer.classifier.device import use_kernels_without_plans


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    use_kernels_without_plans(device)
    for shape in options.shape:
        family = random_family(shape)
        made = forwards(family, device, torch.float16 if on_gpu else torch.float32)
        for name in ("plain", "as it is"):
            for length, spread in ((21, 0), (44, 3), (256, 20)):
                batch = batch_of(length, TOKENS[device.type], spread, len(family.words))
                with way_of(name):
                    for _ in range(3):
                        made[name](batch)
                    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
                    with profile(activities=activities) as profiler:
                        for _ in range(3):
                            made[name](batch)
                print(f"# {shape}, {name}, {length} tokens, {spread} fewer at most")
                by = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
                print(profiler.key_averages().table(sort_by=by, row_limit=18, max_name_column_width=70))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The kernels of one batch.")
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), default=["bert-base"])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return parser.parse_args()


if __name__ == "__main__":
    main()
