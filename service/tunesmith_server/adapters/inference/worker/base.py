"""The base model: its tokenizer, its limits, and one forward pass over rows of a batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tunesmith_server.adapters.inference.worker.row_cache import RowCache
from tunesmith_server.adapters.inference.worker.vocabulary import Vocabulary
from tunesmith_server.domain.completion import ChatMessage, InvalidSampling

# How chat templates of the families that we know end a turn.
_END_OF_TURN = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|endofturn|>")


class Base:
    """A causal language model in a Hugging Face folder, in memory for good."""

    def __init__(self, folder: Path) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True
        )
        self.model: Any = model
        self.model.to(self.device).eval().requires_grad_(False)
        self._config: Any = self.model.config.get_text_config()
        _check_layers(self._config)
        self.vocabulary = Vocabulary(self._tokenizer)
        self.context = int(self._config.max_position_embeddings)
        self.outputs = int(self.model.get_output_embeddings().weight.shape[0])
        self.ends = self._end_tokens()
        added = self._tokenizer.get_added_vocab()
        self.turn_ends = self.ends | {added[name] for name in _END_OF_TURN if name in added}

    @property
    def bytes_per_position(self) -> int:
        """What one token of one row takes in the cache."""
        config = self._config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        size = torch.finfo(self.model.dtype).bits // 8
        return int(config.num_hidden_layers * heads * width * 2 * size)

    def first_token(self) -> int | None:
        """What an empty prompt stands for: the token that texts begin or end with."""
        first: int | None = self._tokenizer.bos_token_id
        last: int | None = self._tokenizer.eos_token_id
        return last if first is None else first

    def render(self, messages: Sequence[ChatMessage]) -> str:
        """The prompt that the chat template makes of messages; or InvalidSampling."""
        if not self._tokenizer.chat_template:
            raise InvalidSampling("messages", "this model has no chat template")
        turns = [{"role": turn.role, "content": turn.content} for turn in messages]
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # whatever a template raises is about the messages
            message = f"the chat template refuses them: {error}"
            raise InvalidSampling("messages", message) from error
        return rendered

    def new_cache(self) -> RowCache:
        """A cache without rows."""
        return RowCache(int(self._config.num_hidden_layers))

    def forward(
        self,
        tokens: Sequence[Sequence[int]],
        *,
        lengths: Sequence[int],
        cache: RowCache,
        all_logits: bool = False,
    ) -> torch.Tensor:
        """Logits [rows, columns, vocabulary], of the last column only unless `all_logits`.

        `tokens` are the next columns of the rows in `cache`, aligned at their ends; `lengths` says
        how many of each row's columns, these included, are tokens: those before are padding.
        """
        ids = torch.tensor(tokens, device=self.device)
        columns = cache.columns + ids.shape[1]
        starts = columns - torch.tensor(lengths, device=self.device)[:, None]
        places = torch.arange(columns, device=self.device)[None, :]
        positions = (places[:, -ids.shape[1] :] - starts).clamp(min=0)
        logits: torch.Tensor = self.model(
            input_ids=ids,
            attention_mask=(places >= starts).long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=0 if all_logits else 1,
        ).logits
        return logits.float()

    def _end_tokens(self) -> frozenset[int]:
        named = (
            self._tokenizer.eos_token_id,
            self._config.eos_token_id,
            self.model.generation_config.eos_token_id,
        )
        ends: set[int] = set()
        for value in named:
            ends.update(value if isinstance(value, list) else [] if value is None else [value])
        return frozenset(ends)


def _check_layers(config: Any) -> None:
    """Refuse models whose layers keep something else than keys and values of all tokens."""
    kinds: Mapping[str, None] = dict.fromkeys(getattr(config, "layer_types", None) or ())
    odd = kinds.keys() - {"full_attention", "sliding_attention"}
    if odd:
        raise ValueError(f"layers of kind {', '.join(sorted(odd))} are not supported")
