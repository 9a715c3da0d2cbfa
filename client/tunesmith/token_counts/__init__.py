"""How many tokens a dataset is, counted as it will be trained on; shared by client and server.

`encodings` are the tokenizers of OpenAI's models, out of vocabularies that ship here. An `Encoder`
turns examples into the tokens that they become; a `TokenTally` adds up what it says. A `TokenCount`
holds for every context length: what a context makes of it is `TokenCount.within`.
"""

from tunesmith.token_counts.count import TokenCount, Within, decode_count, encode_count
from tunesmith.token_counts.encodings import ENCODINGS, EncodingMissing, load_encoding
from tunesmith.token_counts.files import count_file, readable_examples
from tunesmith.token_counts.findings import findings
from tunesmith.token_counts.tally import Encoder, TokenTally

__all__ = [
    "ENCODINGS",
    "Encoder",
    "EncodingMissing",
    "TokenCount",
    "TokenTally",
    "Within",
    "count_file",
    "decode_count",
    "encode_count",
    "findings",
    "load_encoding",
    "readable_examples",
]
