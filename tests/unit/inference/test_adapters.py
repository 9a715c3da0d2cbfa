"""Adapters in memory: which, how many, and which are refused."""

import hashlib
import shutil

import pytest
import safetensors.torch
from tunesmith_server.domain.completion import AdapterInvalid, AdapterRef, CompletionRequest

from tests.unit.inference.tiny import edit_config

REQUEST = CompletionRequest(prompts=("Tweet: I love",), temperature=0, max_tokens=6)


def test_the_adapter_not_used_for_longest_makes_room(new_worker, models):
    worker = new_worker(adapters=2)
    for name in ("a", "b", "a", "c"):
        worker.complete_all([(REQUEST, models.ref(name))])
    assert worker.stats()["adapters"] == ["a", "c"]
    worker.tell(op="unload", adapter="a")
    assert worker.stats()["adapters"] == ["c"]
    # Evicted and unloaded ones answer as before, when they are asked for again.
    for name in ("a", "b"):
        (answer,) = worker.complete_all([(REQUEST, models.ref(name))])
        reference = models.reference(name)
        wanted = reference.text(reference.greedy("Tweet: I love", 6))
        assert answer.choices[0].text == wanted


def test_more_adapters_than_places_take_turns(new_worker, models):
    worker = new_worker(adapters=1)
    asked = [(REQUEST, models.ref(name)) for name in ("a", "b", "", "c") * 3]
    answers = worker.complete_all(asked)
    for (_, ref), answer in zip(asked, answers, strict=True):
        reference = models.reference(ref.id if ref else "")
        assert answer.choices[0].text == reference.text(reference.greedy("Tweet: I love", 6))
    assert len(worker.stats()["adapters"]) == 1


def test_an_id_with_other_weights_is_loaded_anew(new_worker, models):
    worker = new_worker()
    first = AdapterRef("same", str(models.adapters["a"]))
    second = AdapterRef("same", str(models.adapters["b"]))
    answers = worker.complete_all([(REQUEST, first)]) + worker.complete_all([(REQUEST, second)])
    for name, answer in zip("ab", answers, strict=True):
        reference = models.reference(name)
        assert answer.choices[0].text == reference.text(reference.greedy("Tweet: I love", 6))


def test_the_digest_is_checked_if_given(worker, models):
    raw = (models.adapters["a"] / "adapter_model.safetensors").read_bytes()
    right = "sha256:" + hashlib.sha256(raw).hexdigest()
    path = str(models.adapters["a"])
    assert worker.complete_all([(REQUEST, AdapterRef("right", path, right))])
    with pytest.raises(AdapterInvalid, match="digest"):
        worker.complete_all([(REQUEST, AdapterRef("wrong", path, "sha256:" + "0" * 64))])


def missing(folder):
    shutil.rmtree(folder)


def cut_off(folder):
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def of_another_kind(folder):
    edit_config(folder, lambda _: {"peft_type": "IA3"})


def with_dora(folder):
    edit_config(folder, lambda _: {"use_dora": True})


def changed(change):
    def damage(folder):
        file = folder / "adapter_model.safetensors"
        tensors = safetensors.torch.load(file.read_bytes())
        safetensors.torch.save_file(dict(change(*item) for item in tensors.items()), file)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        missing,
        cut_off,
        of_another_kind,
        with_dora,
        changed(lambda name, t: (name.replace("layers.0", "layers.99"), t)),
        changed(lambda name, t: (name, t[:, :-1].contiguous())),
        changed(lambda name, t: (name.replace("lora_B.weight", "lora_magnitude_vector"), t)),
        changed(lambda name, t: (name, t * float("nan"))),
    ],
    ids=["missing", "cut off", "kind", "dora", "layer", "shape", "tensor", "nan"],
)
def test_a_broken_adapter_fails_its_request_and_no_other(worker, models, tmp_path, damage):
    folder = tmp_path / "adapter"
    shutil.copytree(models.adapters["a"], folder)
    damage(folder)
    bad = worker.ask(REQUEST, AdapterRef(str(tmp_path), str(folder)))
    good = worker.ask(REQUEST, models.ref("b"))
    worker.work()
    with pytest.raises(AdapterInvalid) as caught:
        worker.answer(bad)
    assert str(folder) not in caught.value.message
    reference = models.reference("b")
    wanted = reference.text(reference.greedy("Tweet: I love", 6))
    assert worker.answer(good).choices[0].text == wanted
