#!/usr/bin/env python3
"""Times the training step of `epitrain bench step` in PyTorch: the same shapes and optimizer.

Two peers. `plain`: a BERT encoder (post-LayerNorm, learned positions, tanh GELU) over random 6-mers
with a chromatin state per token; masked-DNA and masked-state heads on gathered rows only; AdamW
(fused) with decay and clipping. Plain modules with one matrix for query, key and value and
scaled_dot_product_attention, which is faster than the Hugging Face classes. `huggingface`:
BertForMaskedLM of the same sizes, which has no state head and computes logits of all tokens.

Weights are fp32 and bf16 is autocast's, as epitrain keeps fp32 weights and rounds copies of them.
On a GPU steps are timed by events and queued without waiting for the host. Prints one JSON object.
Measure eager and compiled: on two CPU cores eager steps were faster. launch/bench-peers does; on a
GPU tests/peers/pytorch_suite.py runs all cases in one process.

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
from torch.nn.attention import SDPBackend, sdpa_kernel

SIZES = {"tiny": (2, 128, 2), "small": (4, 256, 4), "base": (12, 768, 12), "large": (24, 1024, 16)}
VOCABULARY = 4**6 + 5
STATES = 25
BASES_PER_BIN = 200
K = 6
BACKENDS = {
    "auto": None,
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}


def attention_by(backend):
    """A context in which attention is computed by this back end, or by PyTorch's own choice."""
    chosen = BACKENDS[backend]
    return contextlib.nullcontext() if chosen is None else sdpa_kernel(chosen)


class Layer(nn.Module):
    def __init__(self, hidden, heads, dropout):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
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
        mixed = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self.dropout if self.training else 0.0
        )
        mixed = self.out(mixed.transpose(1, 2).reshape(batch, tokens, hidden))
        x = self.norm1(x + functional.dropout(mixed, self.dropout, self.training))
        wide = self.down(functional.gelu(self.up(x), approximate="tanh"))
        return self.norm2(x + functional.dropout(wide, self.dropout, self.training))


class Head(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.transform = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x, rows):
        return self.norm(functional.gelu(self.transform(x[rows]), approximate="tanh"))


class Model(nn.Module):
    def __init__(self, size, tokens, dropout=0.0):
        super().__init__()
        self.dropout = dropout
        layers, hidden, heads = SIZES[size]
        self.words = nn.Embedding(VOCABULARY, hidden)
        self.types = nn.Embedding(STATES + 2, hidden)
        self.positions = nn.Embedding(max(512, tokens), hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(hidden, heads, dropout) for _ in range(layers))
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
        x = functional.dropout(x, self.dropout, self.training)
        for layer in self.layers:
            x = layer(x)
        flat = x.flatten(0, 1)
        dna = functional.linear(self.dna(flat, batch["dna_rows"]), self.words.weight, self.dna_bias)
        state = self.state_decoder(self.state(flat, batch["state_rows"]))
        return functional.cross_entropy(
            dna.float(), batch["dna_labels"]
        ) + functional.cross_entropy(state.float(), batch["state_labels"])


class HuggingFace(nn.Module):
    """BertForMaskedLM, with the targets of `random_batch` as labels."""

    def __init__(self, size, tokens, dropout=0.0):
        super().__init__()
        from transformers import BertConfig, BertForMaskedLM

        layers, hidden, heads = SIZES[size]
        config = BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * hidden,
            hidden_act="gelu_pytorch_tanh",
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            max_position_embeddings=max(512, tokens),
            type_vocab_size=STATES + 2,
            attn_implementation="sdpa",
        )
        self.bert = BertForMaskedLM(config)

    def forward(self, batch):
        return self.bert(
            input_ids=batch["tokens"], token_type_ids=batch["types"], labels=batch["labels"]
        ).loss


PEERS = {"plain": Model, "huggingface": HuggingFace}


def random_batch(windows, tokens, generator, device="cpu"):
    """As many targets as epitrain's default masks give: 15 % of the bases and of the bins."""
    total = windows * tokens
    dna = windows * round(0.15 * (tokens - 2))
    states = windows * max(1, round(0.15 * (tokens - 2) * K / BASES_PER_BIN))

    def draw(low, high, count):
        return torch.randint(low, high, (count,), generator=generator)

    rows, wanted = draw(0, total, dna).sort().values, draw(5, VOCABULARY, dna)
    labels = torch.full((total,), -100)
    labels[rows] = wanted
    batch = {
        "tokens": draw(0, VOCABULARY, total).view(windows, tokens),
        "types": draw(0, STATES + 2, total).view(windows, tokens),
        "dna_rows": rows,
        "dna_labels": wanted,
        "state_rows": draw(0, total, states).sort().values,
        "state_labels": draw(0, STATES, states),
        "labels": labels.view(windows, tokens),
    }
    return {name: tensor.to(device) for name, tensor in batch.items()}


def seconds_of(work, device, warmup, count):
    """Seconds of `count` calls after `warmup` ones, by the device's clock."""
    for index in range(warmup):
        work(index)
    if device != "cuda":
        seconds = []
        for index in range(count):
            start = time.perf_counter()
            work(index)
            seconds.append(time.perf_counter() - start)
        return seconds
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    marks[0].record()
    for index in range(count):
        work(index)
        marks[index + 1].record()
    torch.cuda.synchronize()
    return [1e-3 * a.elapsed_time(b) for a, b in zip(marks, marks[1:])]


def flops_per_token(model, tokens):
    """6 N + 12 L H T + 6 m (H^2 + H V), as `epitrain bench step` counts, heads of DNA only."""
    layers, hidden, _ = SIZES[model]
    masked = round(0.15 * (tokens - 2)) / tokens
    body = 12 * layers * hidden * hidden
    head = hidden * hidden + hidden * VOCABULARY
    return 6 * body + 12 * layers * hidden * tokens + 6 * masked * head


def time_step(options):
    """One case: the figures of a training step as a dict."""
    device = options.device
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(1)
    model = PEERS[options.peer](options.model, options.tokens, options.dropout).to(device)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.98), eps=1e-6, fused=True)
    run = torch.compile(model, mode=options.compile_mode) if options.compile else model
    batches = [random_batch(options.batch, options.tokens, generator, device) for _ in range(4)]
    if options.precision == "bf16":
        cast = lambda: torch.autocast(device, dtype=torch.bfloat16)
    else:
        cast = contextlib.nullcontext
    last = None

    def step(index):
        nonlocal last
        batch = batches[index % len(batches)]
        if options.forward:
            with torch.no_grad(), cast():
                last = run(batch)
        else:
            optimizer.zero_grad(set_to_none=True)
            with cast():
                last = run(batch)
            last.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        if device == "cpu":
            last.item()

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with attention_by(options.backend):
        seconds = sorted(seconds_of(step, device, options.warmup, options.steps))
    median = seconds[len(seconds) // 2]
    tokens_per_s = options.batch * options.tokens / median
    loss = last.item()
    result = {
        "program": f"PyTorch {torch.__version__}",
        "peer": options.peer,
        "mode": "compiled" if options.compile else "eager",
        "backend": options.backend,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "pass": "forward" if options.forward else "step",
        "model": options.model,
        "precision": options.precision,
        "dropout": options.dropout,
        "batch": options.batch,
        "tokens": options.tokens,
        "threads": options.threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": options.steps,
        "step_s": median,
        "best_s": seconds[0],
        "tokens_per_s": tokens_per_s,
        "gflop_per_s": 1e-9 * tokens_per_s * flops_per_token(options.model, options.tokens),
        "loss": loss if math.isfinite(loss) else None,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if device == "cuda":
        result["device_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return result


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=SIZES, default="base")
    parser.add_argument("--peer", choices=PEERS, default="plain")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="of attention")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--warmup", type=int, default=2, help="steps before the timed ones")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--compile-mode", default="default", help="of torch.compile")
    parser.add_argument("--forward", action="store_true", help="forward only, without gradients")
    return parser.parse_args(arguments)


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    print(json.dumps(time_step(options)))


if __name__ == "__main__":
    main()
