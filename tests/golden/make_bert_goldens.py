#!/usr/bin/env python3
"""Writes bert_tiny_gelu.safetensors and bert_tiny_gelu_tanh.safetensors beside this script: inputs,
weights, logits, loss and every gradient of a tiny Hugging Face BertForMaskedLM in float64.

Run with   pip install torch==2.15.0 transformers==5.23.0 numpy==2.4.6   in an environment of its own:
    python make_bert_goldens.py
README.md in this folder says what the files hold. They change only when this script does.
"""

from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

PINNED = {"torch": "2.15.0", "transformers": "5.23.0", "numpy": "2.4.6"}

# All sizes differ, so that a swapped pair of dimensions can't pass; positions exceed the tokens, so
# that unread rows must get a gradient of zero.
BATCH, TOKENS, HIDDEN, HEADS, LAYERS, INTERMEDIATE = 3, 19, 32, 2, 2, 48
VOCABULARY, POSITIONS, STATES = 69, 23, 5
SLOTS = 4  # target slots per window; windows use 4, 3 and 1 of them
USED = (4, 3, 1)
EPSILON = 0.01  # far from BERT's 1e-12, which no result would show
MASK, CLS, SEP = 4, 2, 3


def make_model(activation):
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, intermediate_size=INTERMEDIATE, hidden_act=activation,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        max_position_embeddings=POSITIONS, type_vocab_size=STATES + 2,
        layer_norm_eps=EPSILON,
        pad_token_id=None)
    config._attn_implementation = "eager"
    return transformers.BertForMaskedLM(config).double()


def fill_weights(model, generator):
    """Weights far from BERT's initial ones (0.02 would leave GELU linear and attention uniform),
    each a float32 value, so that a float32 model can start from exactly the same numbers."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = generator.standard_normal(tuple(parameter.shape))
            if name.endswith("LayerNorm.weight"):
                value = 1.0 + 0.1 * noise
            elif parameter.dim() == 1:
                value = 0.1 * noise
            elif "embeddings" in name:
                value = 0.5 * noise
            else:
                value = 0.3 * noise
            parameter.copy_(torch.from_numpy(value.astype(np.float32).astype(np.float64)))


def make_batch(generator):
    """Tokens between [CLS] and [SEP], track states with missing (0) and masked (S + 1), and the
    targets as slots: row in [B*T], label, weight; unused slots are 0, 0, 0."""
    tokens = generator.integers(5, VOCABULARY, (BATCH, TOKENS))
    tokens[:, 0], tokens[:, -1] = CLS, SEP
    types = generator.integers(0, STATES + 2, (BATCH, TOKENS))
    types[:, 0] = types[:, -1] = 0
    rows, labels, weights = (np.zeros((BATCH, SLOTS)) for _ in range(3))
    for b, used in enumerate(USED):
        places = np.sort(generator.choice(np.arange(1, TOKENS - 1), used, replace=False))
        for m, place in enumerate(places):
            rows[b, m] = b * TOKENS + place
            labels[b, m] = tokens[b, place]
            weights[b, m] = 1.0
            tokens[b, place] = MASK
    return tokens, types, rows, labels, weights


def golden(activation):
    generator = np.random.default_rng(20240611)
    model = make_model(activation)
    fill_weights(model, generator)
    tokens, types, rows, labels, weights = make_batch(generator)
    used = weights.reshape(-1) > 0
    flat = np.full(BATCH * TOKENS, -100)
    flat[rows.reshape(-1)[used].astype(np.int64)] = labels.reshape(-1)[used]
    out = model(input_ids=torch.from_numpy(tokens), token_type_ids=torch.from_numpy(types),
                labels=torch.from_numpy(flat.reshape(BATCH, TOKENS)), output_hidden_states=True)
    out.loss.backward()
    tensors = {"input.token_ids": tokens.astype(np.int32), "input.type_ids": types.astype(np.int32),
               "input.dna_rows": rows.astype(np.int32), "input.dna_labels": labels.astype(np.int32),
               "input.dna_weights": weights.astype(np.float32)}
    logits = out.logits.detach().numpy().reshape(-1, VOCABULARY)
    tensors["output.logits"] = logits[rows.reshape(-1)[used].astype(np.int64)]  # used slots only
    tensors["output.hidden"] = out.hidden_states[-1].detach().numpy()
    tensors["output.loss"] = np.array([out.loss.item()])
    for name, parameter in model.named_parameters():
        tensors["weight." + name] = parameter.detach().numpy().astype(np.float32)
        tensors["gradient." + name] = parameter.grad.numpy()
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


def main():
    found = {m.__name__: m.__version__.split("+")[0] for m in (torch, transformers, np)}
    if found != PINNED:
        raise SystemExit(f"make_bert_goldens.py: wants {PINNED}, found {found}")
    torch.set_num_threads(1)
    here = Path(__file__).parent
    for activation, name in (("gelu", "gelu"), ("gelu_pytorch_tanh", "gelu_tanh")):
        path = here / f"bert_tiny_{name}.safetensors"
        # One key: the library writes several in random order, and the file's digest should not move.
        versions = ", ".join(f"{package} {version}" for package, version in found.items())
        made_by = f"make_bert_goldens.py with {versions}; hidden_act {activation}"
        save_file(golden(activation), path, metadata={"made_by": made_by})
        path.chmod(0o644)
        print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
