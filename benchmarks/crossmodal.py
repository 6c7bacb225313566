"""What an epoch of two towers costs, against their forward and backward passes alone, on a prepared dataset.

After each epoch of a real training (loading, loss, optimizers; validation aside), copies of the towers go through as many batches of
the same shapes, forwards and backwards from a fixed gradient, and do so once more with the loss on top. Reported are medians over
epochs of the ratios within an epoch, in processor time; a second pass alone shows how large a ratio is noise.

    python benchmarks/crossmodal.py -losses DCMH DSPH DNpH -epochs 7 -threads 1
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from typing import TYPE_CHECKING, Any

from biodeephashing.registry import names_on_disk

if TYPE_CHECKING:
    from biodeephashing.models.CrossModal.module import CrossModalModule

ALONE, AGAIN, WITH_LOSS, EPOCH = "alone", "again", "with the loss", "epoch"


def passes(module: CrossModalModule, batches: list[Any], *, with_loss: bool) -> float:
    """Return the processor seconds of forward and backward passes over batches, from the loss or from a fixed gradient."""
    started = time.process_time()
    for batch in batches:
        if with_loss:
            module.loss_of(batch).backward()
        else:
            for modality, (inputs, _, _) in batch.items():
                module.towers[modality](inputs).sum().backward()
        for tower in module.towers.values():
            tower.zero_grad()
    return time.process_time() - started


def row(loss: str, options: argparse.Namespace) -> str:
    """Return the row of one loss."""
    import lightning.pytorch as pl

    from biodeephashing.data import PreparedDataset
    from biodeephashing.models.CrossModal.feeding import CrossModalFeeding
    from biodeephashing.models.CrossModal.fit import build_module
    from biodeephashing.models.CrossModal.own_loss import loss_class
    from biodeephashing.models.CrossModal.settings import Settings
    from biodeephashing.models.CrossModal.views import transformation_of_texts
    from biodeephashing.training.quiet import silence_third_party

    silence_third_party()
    values = {
        "experiment_name": "benchmark", "database": options.database, "transformations": "dataset", "loss": loss, "number_of_bits": 32,
        "architecture": options.network, "text_architecture": options.text_network, "batch_size": options.batch, "num_workers": 0,
    }  # fmt: skip
    settings = Settings.from_mapping(values, "benchmark")
    prepared = PreparedDataset(settings.database)
    feeding = CrossModalFeeding(prepared, transformation_of_texts(prepared, settings), settings, alternates=loss_class(settings).alternates)
    module = build_module(settings, feeding, fresh=True)
    seconds: dict[str, list[float]] = {name: [] for name in (ALONE, AGAIN, WITH_LOSS, EPOCH)}

    class Clock(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            self.batches: list[Any] = []
            self.started = time.process_time()

        def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
            self.batches.append(batch)

        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            seconds[EPOCH].append(time.process_time() - self.started)
            twin = copy.deepcopy(module.towers), copy.deepcopy(module.loss)
            own = module.towers, module.loss
            module.towers, module.loss = twin
            seconds[ALONE].append(passes(module, self.batches, with_loss=False))
            seconds[WITH_LOSS].append(passes(module, self.batches, with_loss=True))
            seconds[AGAIN].append(passes(module, self.batches, with_loss=False))
            module.towers, module.loss = own

    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=options.epochs, callbacks=[Clock()], logger=False, enable_checkpointing=False, limit_val_batches=0,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(module, datamodule=feeding)
    ratios = {name: statistics.median(mine / alone for mine, alone in zip(seconds[name], seconds[ALONE], strict=True)) for name in seconds}
    cells = " | ".join(f"{ratios[name]:.3f}" for name in (AGAIN, WITH_LOSS, EPOCH))
    return f"| {loss} | {statistics.median(seconds[ALONE]):.2f} | {cells} |"


def main() -> None:
    """Parse the command line, measure, and print one Markdown table."""
    losses = names_on_disk("losses/crossmodal", "CROSSMODAL_LOSSES")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-losses", nargs="+", default=losses, choices=losses, help="cross-modal losses")
    parser.add_argument("-database", default="GLYPHS", help="prepared dataset with texts")
    parser.add_argument("-network", default="lenet", help="backbone of images")
    parser.add_argument("-text_network", default="mlp", help="backbone of texts")
    parser.add_argument("-batch", type=int, default=128, help="items of a batch")
    parser.add_argument("-epochs", type=int, default=7, help="epochs, which are the rounds")
    parser.add_argument("-threads", type=int, default=1, help="threads")
    options = parser.parse_args()

    import torch

    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, {options.epochs} epochs, {options.database}, PyTorch {torch.__version__}\n")
    print("| loss | alone, s | again | with the loss | epoch |\n|---|---:|---:|---:|---:|")
    for loss in options.losses:
        print(row(loss, options), flush=True)


if __name__ == "__main__":
    main()
