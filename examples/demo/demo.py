"""The demo: sentiment of tweets, from a file to a model that answers. Run it by `make demo`.

It starts the service on a free port, makes a tenant and a key, uploads real data, asks the base
model, fine-tunes it with live events, asks the tuned model, and cleans up after itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

try:
    import grpc
    from daemon import Daemon, DaemonFailed
    from labels import LABELS, Labels
    from tunesmith import Client, TunesmithError
    from tunesmith.v1 import common_pb2, dataset_pb2, event_pb2, fine_tune_pb2
    from view import Training, View, loss_plot
except ModuleNotFoundError as missing:
    sys.exit(f"error: the package {missing.name} is missing; `make demo` installs what it needs")

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "examples" / "sentiment"
BASES = ROOT / ".cache" / "bases"
TENANT = "acme"
BASE = "ada"
BASE_FOLDER = "smollm2-135m-instruct"
EPOCHS = 2
WANTED = 0.90
DISK_NEEDED = 1 << 30


class DemoFailed(Exception):
    """Something that the reader can act on; printed as one line."""


@dataclass(frozen=True)
class Row:
    """A held-out tweet and what people said of it."""

    prompt: str
    completion: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if the tuned model is right often enough, 1 if it is not or a step failed."""
    options = _options(arguments)
    view = View()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it cleans up, too
    try:
        return _demo(options, view)
    except KeyboardInterrupt:
        view.problem("stopped; everything is cleaned up")
        return 130
    except (DemoFailed, DaemonFailed) as error:
        view.problem(str(error))
    except TunesmithError as error:
        view.problem(f"{error.reason or error.code}: {error}")
    except grpc.RpcError as error:
        view.problem(f"{error.code().name}: {error.details()}")
    except OSError as error:
        view.problem(": ".join(filter(None, (error.filename, error.strerror or str(error)))))
    return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200, help="held-out rows to ask, 2 to 600")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="passes over the training data")
    parser.add_argument("--threads", type=int, default=2, help="threads to train and to answer")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the data in this new folder")
    parser.add_argument(
        "--kill-server", action="store_true", help="kill -9 the service in the middle of training"
    )
    options = parser.parse_args(arguments)
    if not 2 <= options.rows <= 600:
        parser.error("--rows must be from 2 to 600")
    return options


def _demo(options: argparse.Namespace, view: View) -> int:
    began = time.monotonic()
    held_out = _held_out(options.rows)
    with _data_folder(options.keep) as data:
        admin_key = f"sk-ts-{secrets.token_urlsafe(32)}"
        daemon = Daemon(data, BASES, admin_key, threads=options.threads)
        try:
            key, model = _story(options, view, daemon, admin_key, held_out)
        finally:
            daemon.stop()
        if options.keep:
            view.commands(_to_go_on(data, key, model.name))
    view.say(f"The whole took {time.monotonic() - began:.0f} s.")
    if model.after < WANTED:
        view.problem(f"the tuned model is right on {model.after:.1%}, wanted {WANTED:.0%}")
        return 1
    return 0


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    name: str
    after: float


def _story(
    options: argparse.Namespace, view: View, daemon: Daemon, admin_key: str, held_out: list[Row]
) -> tuple[str, Outcome]:
    view.step("Starting the service")
    clock = time.monotonic()
    daemon.start()
    view.say(f"tunesmithd takes calls on {daemon.address} after {time.monotonic() - clock:.1f} s")

    view.step(f"A tenant, {TENANT}, with a key of its own")
    with Client(daemon.address, admin_key) as admin:
        admin.tenants.create(TENANT)
        key = admin.keys.create(TENANT, "editor").secret
    view.say(f"key {key[:10]}…, role editor; it is shown once and kept as a hash")
    with Client(daemon.address, key) as acme:
        return key, _tune(options, view, daemon, acme, key, held_out)


def _tune(
    options: argparse.Namespace,
    view: View,
    daemon: Daemon,
    acme: Client,
    key: str,
    held_out: list[Row],
) -> Outcome:
    view.step("Uploading tweets that people have rated")
    for id in ("train", "validation"):
        _show_dataset(view, acme.datasets.upload(DATA / f"{id}.jsonl", id=id))

    base = acme.base_models.get(BASE)
    view.step(f"Asking the base model {BASE} ({base.display_name}; licence {base.licence})")
    if not (BASES / BASE_FOLDER / "base.json").exists():
        view.say("its weights are unpacked first, once; that takes half a minute or more")
    acme.models.complete(BASE, "Hello", max_tokens=1)  # loads it, and makes it the first time
    labels = Labels(daemon.address, key, BASES / BASE_FOLDER / "tokenizer.json")
    before, seconds = _accuracy(labels, BASE, held_out)
    view.say(
        f"right on {before:.1%} of {len(held_out)} held-out tweets "
        f"({seconds:.0f} s, {len(held_out) / seconds:.0f} tweets/s)"
    )

    view.step(f"Fine-tuning it on {_lines(DATA / 'train.jsonl')} tweets, {options.epochs} epochs")
    clock = time.monotonic()
    run = acme.fine_tunes.create(
        "train",
        BASE,
        validation_dataset="validation",
        suffix="Tweet sentiment",
        n_epochs=options.epochs,
        n_classes=2,
        positive_class=LABELS[0],
    )
    try:
        _follow(view, acme, run.name, daemon if options.kill_server else None)
    except BaseException:
        _cancel(acme, run.name)
        raise
    done = acme.fine_tunes.get(run.name)
    if done.status.state != common_pb2.FINE_TUNE_STATE_SUCCEEDED:
        raise DemoFailed(f"the fine-tune ended: {done.status.reason} {done.status.message}")
    view.say(
        f"{done.status.progress.trained_tokens:,} tokens trained; "
        f"from submitted to servable in {time.monotonic() - clock:.0f} s"
    )
    _show_results(view, list(acme.fine_tunes.results(run.name)))

    model = acme.models.get(done.status.model)
    view.step(f"Asking the tuned model {model.public_name}")
    view.say(f"the demo expects it to be right on at least {WANTED:.0%}, and fails if it is not")
    after, seconds = _accuracy(labels, model.public_name, held_out)
    view.say(f"right on {after:.1%} of {len(held_out)} held-out tweets ({seconds:.0f} s)")
    _show_answers(view, acme, model.public_name, [held_out[0], held_out[1], *held_out[-2:]])
    labels.close()
    view.verdict(before, after, len(held_out), model.public_name)
    return Outcome(model.public_name, after)


def _follow(view: View, acme: Client, name: str, to_kill: Daemon | None) -> None:
    """Show the events as they come; kill the service in the middle if asked to."""
    seen = killed_at = total = 0
    with view.training() as training:
        watch = acme.fine_tunes.watch(name)
        broken = None
        for event in watch:
            seen += 1
            if event.sequence != seen:
                raise DemoFailed(f"event {event.sequence} came where {seen} was due")
            if event.WhichOneof("detail") == "metrics_reported":
                total = total or acme.fine_tunes.get(name).status.progress.total_steps
            training.show(event, total)
            if broken and watch.snapshot is not broken:
                broken = None
                training.note(f"the watch has resumed by itself, with event {seen}")
            if to_kill and not killed_at and _in_the_middle(event, total):
                killed_at, broken = seen, watch.snapshot
                _kill(to_kill, training)
    view.say(f"{seen} events, numbered 1 to {seen}: none lost, none twice")
    if to_kill:
        if not killed_at:
            raise DemoFailed("training was over before the service could be killed")
        attempt = acme.fine_tunes.get(name).status.attempt
        view.say(f"attempt {attempt}" + (": the trainer never stopped" if attempt == 1 else ""))


def _kill(daemon: Daemon, training: Training) -> None:
    training.note("kill -9 of tunesmithd, while the trainer works")
    daemon.kill()
    clock = time.monotonic()
    daemon.start()
    training.note(f"tunesmithd is back after {time.monotonic() - clock:.1f} s")


def _in_the_middle(event: event_pb2.Event, total: int) -> bool:
    step = event.metrics_reported.step
    return event.WhichOneof("detail") == "metrics_reported" and step >= total // 3


def _cancel(acme: Client, name: str) -> None:
    """Stop the run and wait a little until it has; `Daemon.stop` ends what is left."""
    with contextlib.suppress(TunesmithError, TimeoutError, KeyboardInterrupt):
        acme.fine_tunes.cancel(name)
        acme.fine_tunes.wait(name, timeout=10)


def _show_dataset(view: View, dataset: dataset_pb2.Dataset) -> None:
    classes = ", ".join(
        f"{count} {name.strip()}" for name, count in sorted(dataset.statistics.class_counts.items())
    )
    size = f"{dataset.size_bytes / 1024:.0f} KiB"
    id = dataset.name.rpartition("/")[2]
    counted = f" ({classes})" if classes else ""
    view.say(f"{id}: {dataset.example_count} examples{counted}, {size}, {dataset.digest[:12]}…")
    for finding in dataset.findings:
        view.say(f"  {finding.code}: {finding.message}")
    if dataset.state != dataset_pb2.DATASET_STATE_READY:
        raise DemoFailed(f"{id} cannot be trained on; the findings above say why")


def _show_results(view: View, rows: Sequence[fine_tune_pb2.ResultRow]) -> None:
    training = [(row.step, row.values["training_loss"]) for row in rows]
    validation = [
        (row.step, row.values["validation_loss"]) for row in rows if "validation_loss" in row.values
    ]
    view.plot(loss_plot(training, validation))
    for row in rows:
        measured = {
            name.removeprefix("classification/"): value
            for name, value in row.values.items()
            if name.startswith("classification/")
        }
        if measured:
            shown = ", ".join(f"{name} {value:.3f}" for name, value in sorted(measured.items()))
            view.say(f"epoch {row.epoch}, on the validation file: {shown}")


def _show_answers(view: View, acme: Client, model: str, rows: list[Row]) -> None:
    """What the model says of its own accord, right or wrong."""
    prompts = [row.prompt for row in rows]
    answers = acme.models.complete(model, prompts, max_tokens=1, temperature=0)
    for row, choice in zip(rows, answers.choices, strict=True):
        verdict = "right" if choice.text == row.completion else "wrong"
        tweet = row.prompt.removeprefix("Tweet: ").removesuffix(" ->")
        shown = tweet if len(tweet) <= 50 else tweet[:49] + "…"
        view.say(f"  {shown:50} {choice.text.strip():8} ({verdict})")


def _accuracy(labels: Labels, model: str, rows: list[Row]) -> tuple[float, float]:
    """How often the label that the model finds likelier is the right one, and how long it took."""
    began = time.monotonic()
    found = labels.of(model, [row.prompt for row in rows])
    right = sum(row.completion == label for row, label in zip(rows, found, strict=True))
    return right / len(rows), time.monotonic() - began


def _held_out(count: int) -> list[Row]:
    """The first rows of each label, as many of one as of the other."""
    with (DATA / "heldout.jsonl").open(encoding="utf-8") as file:
        rows = [Row(**json.loads(line)) for line in file]
    halves = (count + 1) // 2, count // 2
    return [
        row
        for label, half in zip(LABELS, halves, strict=True)
        for row in [row for row in rows if row.completion == label][:half]
    ]


def _lines(file: Path) -> int:
    return len(file.read_bytes().splitlines())


@contextlib.contextmanager
def _data_folder(keep: Path | None) -> Iterator[Path]:
    """The service's data directory: a new one, removed afterwards unless it is to be kept."""
    if keep is None:
        folder = Path(tempfile.mkdtemp(prefix="tunesmith-demo-"))
    elif keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise DemoFailed(f"{keep} is there already and not an empty folder: name a new one")
    else:
        folder = keep.absolute()
        folder.mkdir(parents=True, exist_ok=True)
    try:
        BASES.mkdir(parents=True, exist_ok=True)
        for place in (folder, BASES):
            if (free := shutil.disk_usage(place).free) < DISK_NEEDED:
                raise DemoFailed(
                    f"{place} has {free >> 20} MiB left; {DISK_NEEDED >> 20} MiB are needed"
                    " (TMPDIR names another place for temporary files)"
                )
        yield folder
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _to_go_on(data: Path, key: str, model: str) -> list[str]:
    bin = Path(sys.executable).parent
    ask = f"{bin / 'tunesmith'} models complete {model} --temperature 0 --max-tokens 1"
    return [
        f"TUNESMITH_DATA_DIR={data} TUNESMITH_BASES_DIR={BASES} {bin / 'tunesmithd'} serve &",
        f"export TUNESMITH_API_KEY={key}",
        f"{bin / 'tunesmith'} models list",
        f"{ask} -p 'Tweet: what a lovely day ->'",
    ]


if __name__ == "__main__":
    sys.exit(main())
