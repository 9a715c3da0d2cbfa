"""`seeded:tiny`: a tiny random Llama made on the spot, for tests. It knows nothing.

Its weights come from raw PCG64 output by exact arithmetic, so that they are the same bits on every
machine and with every version of NumPy and PyTorch.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tunesmith_trainer import durable
from tunesmith_trainer.bases.description import Progress
from tunesmith_trainer.bases.errors import WrongDigest

NAME = "tiny-random"
LICENCE = "Apache-2.0"

_SEED = 20_241_124
_VOCABULARY = 512
_HIDDEN = 128
_INNER = 256
_LAYERS = 4
_HEADS = 4
_KEY_VALUE_HEADS = 2
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_WEIGHTS_SHA256 = "3fa706c2ae2d9d0038584c5e11947f83064ca4a9e207dddfdc4425caa4114479"
_MERGES_SHA256 = "9973f6a8fca0f858be372e2524baa91eb94a6b61378110377b7e403a1d3b0032"
_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# What the vocabulary is made from: words of the tests and some everyday English.
_TEXT = """\
Company: BHFF insurance Product: allround insurance Ad: one stop shop for all your insurance needs!
Overjoyed with the new iPhone! Sentiment: positive
The food was cold and the waiter rude. Sentiment: negative
@lakers disappoint for a third straight night. I love this great movie, it is so good and happy.
I hate the bad weather, it makes me sad and angry. What is the capital of France? Paris.
Summary: the price of this product is too high for what it does. Supported: yes. Supported: no.
Customer: I want to return my order, it never arrived. Agent: I am sorry to hear that, let me help.
zero one two three four five six seven eight nine ten red green blue yellow small large old new
"""


def make(folder: Path, progress: Progress) -> None:
    """Write the tiny base into `folder`."""
    progress("making", 0.0)
    _write_tokenizer(folder)
    progress("making", 0.5)
    _write_weights(folder / "model.safetensors")
    (folder / "config.json").write_bytes(
        durable.json_bytes(
            {
                "architectures": ["LlamaForCausalLM"],
                "model_type": "llama",
                "vocab_size": _VOCABULARY,
                "hidden_size": _HIDDEN,
                "intermediate_size": _INNER,
                "num_hidden_layers": _LAYERS,
                "num_attention_heads": _HEADS,
                "num_key_value_heads": _KEY_VALUE_HEADS,
                "max_position_embeddings": 512,
                "rms_norm_eps": 1e-5,
                "rope_theta": 10000.0,
                "tie_word_embeddings": False,
                "bos_token_id": 0,
                "eos_token_id": 2,
                "pad_token_id": 0,
                "torch_dtype": "float32",
            }
        )
    )
    progress("making", 1.0)


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEXT] * 4, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    made = json.dumps([model["vocab"], model["merges"]], sort_keys=True).encode()
    _check("tokenizer", hashlib.sha256(made).hexdigest(), _MERGES_SHA256)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_bytes(
        durable.json_bytes(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": _SPECIAL[0],
                "pad_token": _SPECIAL[0],
                "eos_token": _SPECIAL[2],
                "chat_template": _CHAT_TEMPLATE,
                "model_max_length": 512,
                "clean_up_tokenization_spaces": False,
            }
        )
    )


def _write_weights(path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    generator = np.random.PCG64(_SEED)

    def uniform(*shape: int, deviation: float) -> np.ndarray:
        count = int(np.prod(shape))
        # 24 random bits are exact in float32; centred on zero; deviation of U(-a, a) is a/sqrt(3).
        bits = (generator.random_raw(count) >> np.uint64(40)).astype(np.float32)
        unit = (bits - np.float32(2**23)) / np.float32(2**23)
        return (unit * np.float32(deviation * 1.75)).reshape(shape)

    head = _HIDDEN // _HEADS
    tensors = {
        "model.embed_tokens.weight": uniform(_VOCABULARY, _HIDDEN, deviation=0.25),
        "model.norm.weight": np.ones(_HIDDEN, np.float32),
        # Large enough that the logits can be sure of something.
        "lm_head.weight": uniform(_VOCABULARY, _HIDDEN, deviation=0.125),
    }
    for layer in range(_LAYERS):
        at = f"model.layers.{layer}"
        for name, rows, columns in (
            ("self_attn.q_proj", _HIDDEN, _HIDDEN),
            ("self_attn.k_proj", _KEY_VALUE_HEADS * head, _HIDDEN),
            ("self_attn.v_proj", _KEY_VALUE_HEADS * head, _HIDDEN),
            ("self_attn.o_proj", _HIDDEN, _HIDDEN),
            ("mlp.gate_proj", _INNER, _HIDDEN),
            ("mlp.up_proj", _INNER, _HIDDEN),
            ("mlp.down_proj", _HIDDEN, _INNER),
        ):
            tensors[f"{at}.{name}.weight"] = uniform(rows, columns, deviation=0.0625)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{at}.{name}.weight"] = np.ones(_HIDDEN, np.float32)
    save_file(tensors, str(path), metadata={"format": "pt"})
    content = hashlib.sha256()
    for name in sorted(tensors):
        content.update(name.encode() + b"\0" + tensors[name].tobytes())
    _check("weights", content.hexdigest(), _WEIGHTS_SHA256)


def _check(what: str, have: str, want: str) -> None:
    if have != want:
        raise WrongDigest(f"the {what} of {NAME} came out as sha256 {have}, not {want}")
