"""Keys and values of the rows in a batch, aligned at their ends.

All rows end at the same column, shorter ones start later: a step then appends one column, whatever
the rows' lengths. Columns are written in place into a buffer with room to grow; the copy that
`DynamicCache` makes at each step is made only when rows join or leave.
"""

from collections.abc import Sequence

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

_ROOM = 64


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer: [rows, heads, columns, width], of which start..end are in use."""

    is_sliding = False  # all columns are kept; a sliding window is the mask's business
    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.start = self.end = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Take device, type and sizes from the first states."""
        self.keys = _widened(key_states[:, :, :0], key_states.shape[2])
        self.values = _widened(value_states[:, :, :0], value_states.shape[2])
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns; all columns in use."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        new = key_states.shape[2]
        if self.end + new > self.keys.shape[2]:
            room = max(_ROOM, self.get_seq_length() // 4)
            self.replace(*(_widened(states, states.shape[2] + new + room) for states in self.used))
        self.keys[:, :, self.end : self.end + new] = key_states
        self.values[:, :, self.end : self.end + new] = value_states
        self.end += new
        return self.used

    @property
    def used(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The keys and values of the columns in use."""
        return self.keys[:, :, self.start : self.end], self.values[:, :, self.start : self.end]

    def replace(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Take other buffers, whose first columns hold as many columns as are in use now."""
        self.keys, self.values = keys, values
        self.start, self.end = 0, self.get_seq_length()

    def get_seq_length(self) -> int:
        """The number of columns in use."""
        return self.end - self.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns after the coming update, and the first one's place."""
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        """No limit of its own."""
        return -1


class RowCache(Cache):
    """The rows' keys and values in all layers."""

    def __init__(self, layers: int) -> None:
        self._own = [_Layer() for _ in range(layers)]
        super().__init__(layers=list(self._own))

    @property
    def columns(self) -> int:
        """The number of columns in use."""
        return self._own[0].get_seq_length()

    def select(self, rows: Sequence[int], *, columns: int) -> None:
        """Keep these rows (in this order, one may come several times) and their last `columns`."""
        for layer in self._own:
            layer.start = layer.end - columns
            keys, values = layer.used
            if list(rows) != list(range(keys.shape[0])):
                index = torch.tensor(rows, device=keys.device)
                layer.replace(keys.index_select(0, index), values.index_select(0, index))

    def join(self, other: "RowCache") -> None:
        """Add the rows of another cache after these."""
        columns = max(self.columns, other.columns)
        for mine, its in zip(self._own, other._own, strict=True):
            buffers = [
                torch.cat([_padded(a, columns), _padded(b, columns)])
                for a, b in zip(mine.used, its.used, strict=True)
            ]
            mine.start, mine.end = 0, columns
            mine.replace(*(_widened(buffer, columns + _ROOM) for buffer in buffers))


def _padded(states: torch.Tensor, columns: int) -> torch.Tensor:
    """Zeros in front: what is masked must still be finite."""
    return torch.nn.functional.pad(states, (0, 0, columns - states.shape[2], 0))


def _widened(states: torch.Tensor, columns: int) -> torch.Tensor:
    """A buffer of so many columns that begins with these."""
    rows, heads, used, width = states.shape
    buffer = states.new_empty(rows, heads, columns, width)
    buffer[:, :, :used] = states
    return buffer
