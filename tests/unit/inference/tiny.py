"""A tiny random Llama with a tokenizer of its own, and random adapters for it, from seeds."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

CONTEXT = 256
END = "<|endoftext|>"
TURN_END = "<|im_end|>"
_TEXT = (
    "the quick brown fox jumps over the lazy dog and reads the tweets of the day ",
    "Tweet: I love this movie -> positive. Tweet: this was awful -> negative. ",
    "naïve café, déjà vu, smörgåsbord, 東京 and emoji 🙂 here. ",
)
_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the deprecation warnings that peft and transformers give each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def make_base(folder: Path) -> Path:
    """A base model's folder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=380,
        special_tokens=[END, "<|im_start|>", TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, chat_template=_TEMPLATE
    ).save_pretrained(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.25,  # far apart logits, so that rounding does not decide
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).eval().save_pretrained(folder)
    return folder


def make_adapter(base: Path, folder: Path, *, seed: int, rank: int = 4, **config: Any) -> Path:
    """An adapter's folder; A and B random, so that it changes the answers."""
    torch.manual_seed(seed)
    targets = config.pop("target_modules", ["q_proj", "v_proj"])
    lora = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=targets,
        init_lora_weights=False,
        task_type="CAUSAL_LM",
        **config,
    )
    with quiet():
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora)
        model.save_pretrained(folder)
    return folder


class Reference:
    """What plain transformers and peft answer."""

    def __init__(self, base: Path, adapter: Path | None = None) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(base)
        self.model = AutoModelForCausalLM.from_pretrained(base).eval()
        if adapter is not None:
            with quiet():
                self.model = PeftModel.from_pretrained(self.model, str(adapter)).eval()

    def ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    @torch.no_grad()
    def greedy(self, prompt: str, max_tokens: int) -> list[int]:
        """The answer's tokens, without an end token."""
        ids = torch.tensor([self.ids(prompt)])
        made = self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_tokens,
            do_sample=False,
        )
        answer: list[int] = made[0, ids.shape[1] :].tolist()
        return answer[: answer.index(0)] if 0 in answer else answer

    def text(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    @torch.no_grad()
    def logprobs(self, tokens: Sequence[int]) -> torch.Tensor:
        """Log-probabilities [tokens, vocabulary] of what follows each token."""
        logits = self.model(input_ids=torch.tensor([list(tokens)])).logits[0]
        return torch.log_softmax(logits.float(), dim=-1)


def edit_config(adapter: Path, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Change an adapter's adapter_config.json."""
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**(old := json.loads(path.read_text())), **change(old)}))
