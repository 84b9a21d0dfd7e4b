"""Makes reference cases of models with Hugging Face transformers: python3 make_cases.py OUTPUT_FOLDER

Tiny random models of every supported family, in shapes and settings unlike those in this folder, laid out as README.md says.
Needs torch, transformers and safetensors; runs on the CPU in float32. Check with: offload verify OUTPUT_FOLDER
"""
import json, os, sys
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, OPTConfig, Qwen2Config, Qwen3Config

LLAMA = dict(vocab_size=131, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=128)
OPT = dict(vocab_size=113, hidden_size=36, ffn_dim=50, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, word_embed_proj_dim=36, dropout=0.0)
GPT2 = dict(vocab_size=97, n_embd=40, n_head=5, n_layer=2, n_positions=64, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
ADAM = dict(lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, max_grad_norm=1.0, steps=5)
# name: (config, sequences, tokens, changes to ADAM)
CASES = {
    "gpt2-inner-untied": (GPT2Config(**GPT2, n_inner=100, activation_function="gelu", tie_word_embeddings=False), 3, 17, {}),
    "gpt2-relu-noclip": (GPT2Config(**GPT2, activation_function="relu"), 1, 40, dict(max_grad_norm=0.0, weight_decay=0.0)),
    "llama-linear-biases-padding": (LlamaConfig(**{**LLAMA, "num_key_value_heads": 1}, attention_bias=True, mlp_bias=True, tie_word_embeddings=True, pad_token_id=3, hidden_act="gelu_pytorch_tanh",
                                    rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=10000.0)), 2, 29, {}),
    "llama-head-size": (LlamaConfig(**{**LLAMA, "num_key_value_heads": 6}, head_dim=20, rope_parameters=dict(rope_type="default", rope_theta=500000.0), rms_norm_eps=1e-6), 4, 9, dict(betas=(0.9, 0.999), lr=5e-3)),
    "llama-llama3": (LlamaConfig(**LLAMA, tie_word_embeddings=False, pad_token_id=7,
                     rope_parameters=dict(rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32, rope_theta=10000.0)), 2, 100, {}),
    "mistral-window": (MistralConfig(**LLAMA, sliding_window=64, head_dim=10), 2, 31, {}),
    "qwen2-untied": (Qwen2Config(**{**LLAMA, "num_key_value_heads": 1}, tie_word_embeddings=False, rms_norm_eps=1e-5), 2, 21, dict(lr=1e-2)),
    "qwen2-padding": (Qwen2Config(**LLAMA, tie_word_embeddings=True, pad_token_id=5), 3, 12, {}),
    "qwen3-bias": (Qwen3Config(**LLAMA, head_dim=14, attention_bias=True, tie_word_embeddings=False), 2, 33, {}),
    "qwen3-short": (Qwen3Config(**LLAMA, head_dim=8, tie_word_embeddings=True), 1, 5, {}),
    "opt-no-bias-gelu": (OPTConfig(**OPT, enable_bias=False, activation_function="gelu"), 2, 27, {}),
    "opt-untied": (OPTConfig(**OPT, tie_word_embeddings=False), 3, 11, dict(max_grad_norm=0.5)),
}


def make(folder, config, sequences, tokens, settings):
    adam = {**ADAM, **settings}
    model = AutoModelForCausalLM.from_config(config).float().train()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Biases and norms of a fresh model are constant: give them something to tell apart.
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    ids = torch.randint(0, config.vocab_size, (sequences, tokens))
    padding = getattr(config, "pad_token_id", None)
    if padding is not None:
        ids[:, tokens // 2] = padding
    labels = ids.clone()
    labels[torch.rand(labels.shape) < 0.2] = -100
    labels[:, 1] = ids[:, 1]
    save_file({"input_ids": ids, "labels": labels}, os.path.join(folder, "batch.safetensors"))
    expected, losses, norms = {}, [], []
    optimizer = torch.optim.AdamW(model.parameters(), lr=adam["lr"], betas=adam["betas"], eps=adam["eps"], weight_decay=adam["weight_decay"])
    for step in range(adam["steps"] + 1):
        optimizer.zero_grad()
        output = model(input_ids=ids, labels=labels)
        losses.append(output.loss.item())
        if step == adam["steps"]:
            break
        output.loss.backward()
        norm = torch.sqrt(sum((p.grad.double() ** 2).sum() for p in model.parameters())).item()
        norms.append(norm)
        if step == 0:
            expected["logits"] = output.logits.detach().clone()
            expected.update({f"grad.{n}": p.grad.clone() for n, p in model.named_parameters()})
        if adam["max_grad_norm"] > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), adam["max_grad_norm"])
        optimizer.step()
    expected.update({f"after.{n}": p.detach().clone() for n, p in model.named_parameters()})
    save_file({n: t.contiguous() for n, t in expected.items()}, os.path.join(folder, "expected.safetensors"))
    json.dump({"architecture": model.config.architectures[0] if model.config.architectures else type(model).__name__, "transformers": transformers.__version__, "torch": torch.__version__,
               "dtype": "float32", **adam, "losses": losses, "grad_norms": norms}, open(os.path.join(folder, "expected.json"), "w"), indent=1)


for index, (name, case) in enumerate(CASES.items()):
    torch.manual_seed(1000 + index)
    make(os.path.join(sys.argv[1], name), *case)
    print(name)
