#!/usr/bin/env python3
"""All PyTorch peers of launch/gpu-check in one process: attention alone, then training steps.

Attention: scaled_dot_product_attention's flash and cuDNN back ends, dropout 0 and 0.1, forward and
backward. Steps: the plain encoder, compiled with either back end and eager, and Hugging Face's
BertForMaskedLM, dropout 0 and 0.1, base and large. The list of results is written again after each
case, so a time limit keeps what was done by then; a case that fails is in it with its error.

    python3 tests/peers/pytorch_suite.py --device cuda --json peers.json
    python3 tests/peers/pytorch_suite.py --device cpu --tiny --json peers.json   # tries the script
"""

import argparse
import gc
import json
import os
import sys
import time

import torch
from torch.nn import functional

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pytorch_step as peers  # noqa: E402


def time_attention(device, backend, dropout, batch, tokens, heads, head, count):
    """Seconds and TFLOP/s of attention alone, forward and backward, median of `count`.

    4 B T^2 H forward; backward 10 B T^2 H as papers on FlashAttention count it (five products, one
    of them computed again) and 8 B T^2 H as `epitrain bench attention` does.
    """
    dtype = torch.bfloat16
    torch.manual_seed(1)
    query, key, value = (
        torch.randn(batch, tokens, heads, head, device=device, dtype=dtype)
        .transpose(1, 2)
        .requires_grad_()
        for _ in range(3)
    )
    grad = torch.randn(batch, tokens, heads, head, device=device, dtype=dtype).transpose(1, 2)
    attend = functional.scaled_dot_product_attention
    with peers.attention_by(backend):

        def forward(_):
            with torch.no_grad():
                attend(query, key, value, dropout_p=dropout)

        out = attend(query, key, value, dropout_p=dropout)

        def backward(_):
            torch.autograd.grad(out, (query, key, value), grad, retain_graph=True)

        ahead = sorted(peers.seconds_of(forward, device, 10, count))[count // 2]
        back = sorted(peers.seconds_of(backward, device, 10, count))[count // 2]
    product = 2.0 * batch * heads * tokens * tokens * head * 1e-12
    return {
        "bench": "attention",
        "program": f"PyTorch {torch.__version__}",
        "backend": backend,
        "dropout": dropout,
        "batch": batch,
        "tokens": tokens,
        "head": head,
        "heads": heads,
        "forward_s": ahead,
        "backward_s": back,
        "forward_tflop_per_s": 2 * product / ahead,
        "backward_tflop_per_s": 5 * product / back,
        "backward_tflop_per_s_of_four_products": 4 * product / back,
    }


def step_cases(device, tiny):
    """Arguments of pytorch_step, the ones that matter most first."""
    size = ["--batch", "2", "--tokens", "32", "--warmup", "1", "--steps", "2"]
    if not tiny:
        size = ["--batch", "64", "--tokens", "512", "--warmup", "10", "--steps", "50"]
    common = ["--device", device, "--precision", "bf16", *size]
    base = ["--model", "tiny" if tiny else "base", *common]
    large = ["--model", "tiny" if tiny else "large", *common]
    back_ends = ("auto",) if device == "cpu" else ("cudnn", "flash")
    cases = []
    for dropout in ("0", "0.1"):
        for backend in back_ends:
            cases.append([*base, "--compile", "--backend", backend, "--dropout", dropout])
    for dropout in ("0", "0.1"):
        hugging_face = [*base, "--peer", "huggingface", "--dropout", dropout]
        cases += [hugging_face, [*hugging_face, "--compile"]]
    for backend in back_ends:
        cases.append([*large, "--compile", "--backend", backend, "--dropout", "0"])
    for dropout in ("0", "0.1"):
        cases.append([*base, "--dropout", dropout])
    return cases


class Results:
    """The list of results and the file that follows it."""

    def __init__(self, path, device, seconds):
        self.path, self.rows, self.started = path, [], time.perf_counter()
        self.seconds, self.left_out = seconds, 0
        self.device = torch.cuda.get_device_name() if device == "cuda" else "cpu"

    def run(self, what, work):
        if time.perf_counter() - self.started > self.seconds:
            self.left_out += 1
            return
        print(f"{time.perf_counter() - self.started:7.1f} s  {what}", file=sys.stderr, flush=True)
        try:
            row = work()
        except Exception as error:  # noqa: BLE001  the next case may work
            row = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        row["case"] = what
        self.rows.append(row)
        with open(self.path + ".tmp", "w") as file:
            result = {"device": self.device, "torch": torch.__version__, "rows": self.rows}
            json.dump(result, file, indent=1)
        os.replace(self.path + ".tmp", self.path)
        gc.collect()
        torch._dynamo.reset()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--json", default="peers.json")
    parser.add_argument("--seconds", type=float, default=1e9, help="start no case after so long")
    parser.add_argument("--tiny", action="store_true", help="small shapes, to try the script")
    parser.add_argument("--eager", action="store_true", help="no compiled cases")
    options = parser.parse_args()
    results = Results(options.json, options.device, options.seconds)
    sizes = [(2, 16, 2, 32)] if options.tiny else [(64, 512, 12, 64)]
    back_ends = ("math",) if options.device == "cpu" else ("flash", "cudnn")
    for batch, tokens, heads, head in sizes:
        for dropout in (0.0, 0.1):
            for backend in back_ends:
                count = 3 if options.tiny else 50
                case = (backend, dropout, batch, tokens, heads, head, count)
                results.run(
                    f"attention {backend} dropout {dropout} {batch} x {tokens} x {heads} x {head}",
                    lambda case=case: time_attention(options.device, *case),
                )
    for arguments in step_cases(options.device, options.tiny):
        if options.eager and "--compile" in arguments:
            continue
        results.run(
            "step " + " ".join(arguments),
            lambda arguments=arguments: peers.time_step(peers.parse(arguments)),
        )
    failed = sum("error" in row for row in results.rows)
    print(f"{len(results.rows)} cases, {failed} failed, {results.left_out} left out", file=sys.stderr)
    sys.exit(1 if failed == len(results.rows) else 0)


if __name__ == "__main__":
    main()
