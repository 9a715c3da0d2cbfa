"""Weights & Biases, by its own library."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith_trainer.integrations.tracker import End, Facts, Measured, Refused, plain_id
from tunesmith_trainer.spec import WandbIntegration

_INIT_SECONDS = 20


class WandbRun:
    """A run there, whose id is that of the run here: every attempt goes on with it.

    `folder` takes the library's files; those of the user are neither read nor written.
    """

    def __init__(self, wanted: WandbIntegration, key: str | None, folder: Path) -> None:
        self._wanted = wanted
        self._key = key
        self._folder = folder
        self._run: Any = None

    def open(self, facts: Facts) -> int:
        """Begin or go on; the service says at which step."""
        wanted = self._wanted
        if wanted.credentials == "stdin" and self._key is None:
            raise Refused("its key could not be read; an administrator finds why in the log")
        for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
            os.environ.setdefault(name, str(self._folder))
        os.environ["WANDB_ERROR_REPORTING"] = "false"
        import wandb

        if self._run is not None:  # the last try got that far
            wandb.teardown()
        settings = wandb.Settings(
            mode=wanted.mode,
            root_dir=str(self._folder),
            init_timeout=_INIT_SECONDS,
            login_timeout=_INIT_SECONDS,
            # of this machine and of the code nothing is sent
            console="off",
            disable_git=True,
            disable_code=True,
            save_code=False,
            silent=True,
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
            **({"api_key": self._key} if self._key else {}),
            **({"base_url": wanted.url} if wanted.url else {}),
        )
        self._run = wandb.init(
            project=wanted.project,
            entity=wanted.entity,
            name=wanted.name,
            tags=wanted.tags,
            id=plain_id(facts.id),
            resume="allow",
            config=dict(facts.config),
            settings=settings,
        )
        self._run.config.update(dict(facts.config), allow_val_change=True)
        # The next step to come; 0 in a new run.
        return max(0, int(self._run.starting_step) - 1)

    def log(self, measurements: Sequence[Measured]) -> None:
        """Hand them to the library, which sends them by itself and tries again if it must."""
        for each in measurements:
            self._run.log(dict(each.values), step=each.step)

    def close(self, end: End | None) -> None:
        """Wait until everything is there."""
        if end is not None:
            self._run.summary.update({"status": end.status, **end.summary})
        if end is None or end.status == "stopped":
            self._run.mark_preempting()  # another attempt may go on with it
        self._run.finish(exit_code=0 if end and end.status == "succeeded" else 1)
