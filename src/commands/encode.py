"""Write codes of any number of images in shards."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from ..checksums import digest
from ..data.sources import Source, arrow, open_source
from ..errors import BioDeepHashingError, RunError, UsageError
from ..executors import open_executor
from ..models.encoder import preprocessing_of
from ..models.loading import finished_run, network_settings_of
from ..models.shards import ShardJob, encode_shard
from ..runs import Run
from ..runs.shards import SPARSE_STRIDE, Manifest, ShardFolder
from ..runs.split_json import read_split_facts
from ..settings import CommonSettings
from ..settings.flags import collect_settings
from ..settings.parsers import SHARD_ROWS
from ..settings.units import HERE, Placement, given_placement
from ..training.devices import device_of
from ..training.same_split import check_split
from .sharded.report import ShardReport


@dataclass(frozen=True)
class EncodingRequest:
    """How images are encoded in shards.

    Args:
        rows: most images of a shard.
        batch_size: images of a forward pass.
        format: "npy" or "parquet".
        unreadable: largest share of the images of a shard that may be unreadable.
        device: where to compute: "auto", "cpu" or "cuda".
        num_workers: processes that decode images, for each shard that is encoded at a time.
        no_skip: remove the shards that are there, and begin anew.
        unlabelled: leave labels of Parquet files and tar archives out.

    Raises:
        UsageError: if shards would not be whole batches, or for Parquet files without pyarrow.
    """

    rows: int = SHARD_ROWS
    batch_size: int = 64
    format: str = "npy"
    unreadable: Fraction = Fraction()
    device: str = "auto"
    num_workers: int = 1
    no_skip: bool = False
    unlabelled: bool = False

    def __post_init__(self) -> None:
        if self.rows < 1 or self.rows % self.batch_size:
            near = self.batch_size * max(1, round(self.rows / self.batch_size))
            raise UsageError(
                f"-rows {self.rows} is no multiple of -pbs {self.batch_size}, and a shard is made of whole batches: {near} is one"
            )
        if self.format == "parquet":
            arrow()


def encode(run: Run | str, images: str, folder: Path, request: EncodingRequest, *, placement: Placement = HERE) -> list[str]:
    """Write the shards of a source that are missing or damaged, and the totals once none is missing.

    Args:
        run: a finished run, or a handle of it.
        images: the source, see :func:`~biodeephashing.data.sources.open_source`.
        folder: where the shards go.
        request: how.
        placement: who encodes them, and which of them.

    Returns:
        One message per failed shard.

    Raises:
        UsageError: for what cannot be asked for.
        DataError: if the source cannot be used.
        RunError: if the run is not finished or was trained on another split, or the directory holds other shards or files.
    """
    if request.no_skip and not placement.part.is_whole:
        raise UsageError(
            f"-no_skip removes all shards, and -part {placement.part} is not alone: give -no_skip to one command without -part"
        )
    run = finished_run(run)
    settings = CommonSettings(device=request.device, num_workers=request.num_workers, tracking="off")
    device_of(settings)  # refuses one that is not there
    classes = () if request.unlabelled else (read_split_facts(run.directory) or {}).get("classes", ())
    source = open_source(images, rows=request.rows, classes=classes)
    if request.unlabelled and source.kind not in ("parquet", "tar"):
        raise UsageError(f"-unlabelled leaves out the labels of Parquet files and tar archives, and {images} is a {source.kind}")
    if source.name.startswith(f"{run.database}:"):
        check_split(run)
    manifest, shards = _manifest(run, source, request), ShardFolder(folder)
    anew = request.no_skip and shards.manifest_file.is_file()
    _check(shards, manifest, anew=anew)
    left_over, report, own = shards.left_over(), ShardReport(shards, manifest), placement.part.take(source.shards)
    if due := own if anew else report.due(own):
        job = ShardJob(run, ShardFolder(folder.absolute()), manifest, request.unreadable, request.device, request.num_workers)
        with open_executor(placement, settings) as executor:  # first: a cluster that does not answer costs no shard
            shards.begin_anew(manifest) if anew else shards.enter(manifest)
            shards.done_file.unlink(missing_ok=True)
            report.follow(executor, partial(encode_shard, job=job), due)
    report.conclude(placement.part)
    for file in left_over if shards.done_file.is_file() else ():
        file.unlink(missing_ok=True)
    return report.failures


def from_arguments(arguments: Namespace) -> None:
    """Encode what ``encode.py`` asks for.

    Raises:
        BioDeepHashingError: for what cannot be done, or if a shard failed.
    """
    placement = given_placement(arguments)
    settings = collect_settings(CommonSettings, arguments)
    request = EncodingRequest(
        rows=arguments.rows,
        batch_size=settings.predict_batch_size,
        format=arguments.format,
        unreadable=arguments.skip_unreadable,
        device=settings.device,
        num_workers=settings.num_workers,
        no_skip=settings.no_skip,
        unlabelled=arguments.unlabelled,
    )
    failures = encode(arguments.path, arguments.images, arguments.output, request, placement=placement)
    if failures:
        raise BioDeepHashingError(f"shards that failed, which the same command tries again: {len(failures):,}\n" + "\n".join(failures))


def _manifest(run: Run, source: Source, request: EncodingRequest) -> Manifest:
    """Return what is to be encoded by what.

    Raises:
        UsageError: if ids of shards could overlap.
        RunError: if the run hashes ready features.
    """
    if not source.is_counted and request.rows > SPARSE_STRIDE:
        raise UsageError(f"-rows {request.rows} is too many for archives, whose ids leave room for {SPARSE_STRIDE:,} images each")
    settings = network_settings_of(run)
    return Manifest(
        run=f"{run.method}/{run.database}/{run.experiment}/{run.name}",
        checkpoint_sha256=digest(run.best_checkpoint),
        bits=settings.number_of_bits,
        preprocessing={name: value for name, value in preprocessing_of(run).record().items() if name != "source"},  # words
        batch_size=request.batch_size,
        precision=settings.precision,
        rows=request.rows,
        format=request.format,
        source={"kind": source.kind, "name": source.name, "sha256": source.sha256},
        classes=source.classes,
        ids="rows" if source.is_counted else "sparse",
        shards=len(source.shards),
    )


def _check(folder: ShardFolder, manifest: Manifest, *, anew: bool) -> None:
    """Refuse a directory in which shards cannot be begun, or gone on with.

    Raises:
        UsageError: if it is a file.
        RunError: if it holds other shards, or files.
    """
    if folder.path.is_file():
        raise UsageError(f"-o {folder.path} is a file, and shards go into a directory: name another")
    if anew:
        return
    try:
        folder.check(manifest)
    except RunError as error:
        advice = "-no_skip removes them and begins anew" if folder.manifest_file.is_file() else "name another with -o"
        raise RunError(f"{error}\n{advice}") from error
