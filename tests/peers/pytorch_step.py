#!/usr/bin/env python3
"""Times the training step of `epitrain bench step` in PyTorch: the same model, shapes and optimizer.

A BERT encoder (post-LayerNorm, learned positions, tanh GELU, no dropout) over random 6-mers with a
chromatin state per token; masked-DNA and masked-state heads on gathered rows only; AdamW (fused)
with decay and clipping. Written in plain modules with one matrix for query, key and value and
scaled_dot_product_attention, which is faster than the Hugging Face classes. Prints one JSON object.
Measure both modes: on two cores eager steps were faster than compiled ones. launch/bench-peers does.

    python3 -m venv peer && peer/bin/pip install torch numpy
    peer/bin/python tests/peers/pytorch_step.py --model base --batch 2 --precision bf16 --compile
"""

import argparse
import contextlib
import json
import math
import resource
import time

import torch
from torch import nn
from torch.nn import functional

SIZES = {"tiny": (2, 128, 2), "small": (4, 256, 4), "base": (12, 768, 12), "large": (24, 1024, 16)}
VOCABULARY = 4**6 + 5
STATES = 25
BASES_PER_BIN = 200
K = 6


class Layer(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.norm1 = nn.LayerNorm(hidden, eps=1e-12)
        self.up = nn.Linear(hidden, 4 * hidden)
        self.down = nn.Linear(4 * hidden, hidden)
        self.norm2 = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x):
        batch, tokens, hidden = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, hidden // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = self.norm1(x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, hidden)))
        return self.norm2(x + self.down(functional.gelu(self.up(x), approximate="tanh")))


class Head(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.transform = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x, rows):
        return self.norm(functional.gelu(self.transform(x[rows]), approximate="tanh"))


class Model(nn.Module):
    def __init__(self, size, tokens):
        super().__init__()
        layers, hidden, heads = SIZES[size]
        self.words = nn.Embedding(VOCABULARY, hidden)
        self.types = nn.Embedding(STATES + 2, hidden)
        self.positions = nn.Embedding(max(512, tokens), hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(hidden, heads) for _ in range(layers))
        self.dna, self.state = Head(hidden), Head(hidden)
        self.dna_bias = nn.Parameter(torch.zeros(VOCABULARY))
        self.state_decoder = nn.Linear(hidden, STATES)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, batch):
        tokens = batch["tokens"].shape[1]
        x = self.words(batch["tokens"]) + self.types(batch["types"])
        x = self.norm(x + self.positions.weight[:tokens])
        for layer in self.layers:
            x = layer(x)
        flat = x.flatten(0, 1)
        dna = functional.linear(self.dna(flat, batch["dna_rows"]), self.words.weight, self.dna_bias)
        state = self.state_decoder(self.state(flat, batch["state_rows"]))
        return functional.cross_entropy(
            dna.float(), batch["dna_labels"]
        ) + functional.cross_entropy(state.float(), batch["state_labels"])


def random_batch(windows, tokens, generator):
    """As many targets as epitrain's default masks give: 15 % of the bases and of the bins."""
    total = windows * tokens
    dna = windows * round(0.15 * (tokens - 2))
    states = windows * max(1, round(0.15 * (tokens - 2) * K / BASES_PER_BIN))

    def draw(low, high, count):
        return torch.randint(low, high, (count,), generator=generator)

    return {
        "tokens": draw(0, VOCABULARY, total).view(windows, tokens),
        "types": draw(0, STATES + 2, total).view(windows, tokens),
        "dna_rows": draw(0, total, dna).sort().values,
        "dna_labels": draw(5, VOCABULARY, dna),
        "state_rows": draw(0, total, states).sort().values,
        "state_labels": draw(0, STATES, states),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=SIZES, default="base")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--forward", action="store_true", help="forward only, without gradients")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(1)
    model = Model(options.model, options.tokens)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.98), eps=1e-6, fused=True)
    run = torch.compile(model) if options.compile else model
    batches = [random_batch(options.batch, options.tokens, generator) for _ in range(4)]
    if options.precision == "bf16":
        cast = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
    else:
        cast = contextlib.nullcontext

    def step(index):
        batch = batches[index % len(batches)]
        if options.forward:
            with torch.no_grad(), cast():
                return run(batch).item()
        optimizer.zero_grad(set_to_none=True)
        with cast():
            loss = run(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    seconds = []
    for index in range(options.steps + 2):  # the first two warm up, compile and allocate
        start = time.perf_counter()
        loss = step(index)
        seconds.append(time.perf_counter() - start)
    seconds = sorted(seconds[2:])
    median = seconds[len(seconds) // 2]
    print(
        json.dumps(
            {
                "program": f"PyTorch {torch.__version__}",
                "mode": "compiled" if options.compile else "eager",
                "pass": "forward" if options.forward else "step",
                "model": options.model,
                "precision": options.precision,
                "batch": options.batch,
                "tokens": options.tokens,
                "threads": options.threads,
                "parameters": sum(p.numel() for p in model.parameters()),
                "step_s": median,
                "best_s": seconds[0],
                "tokens_per_s": options.batch * options.tokens / median,
                "loss": loss if math.isfinite(loss) else None,
                "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
