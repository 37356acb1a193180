"""TensorBoard: one event file per run, with scalars, histograms and HParams. TensorFlow is not imported."""

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bn_study.analysis.mirror._run import Run

NEEDS = {"tensorboard": "bn-study[tensorboard]"}
LOOK = "tensorboard --logdir {folder}"
LONGEST = 255  # bytes of a folder's name


def export(run: Run, folder: Path, *, histograms: Literal["none", "few", "all"]) -> Path:
    """Write `<folder>/<experiment>/<name> <id>/`, replacing what is there; `tensorboard --logdir <folder>` shows it.

    The name of the run begins the folder's, because it is what TensorBoard shows; the id ends it, so that the run is
    found again if it has another name by then. histograms: of no run, of the smallest reported seed, or of all. Values
    that are not finite are left out, because charts cannot show them. A file that already has the beginning of the run
    is continued, because an open TensorBoard goes on reading where it stopped.
    """
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in _events(run, histograms):
        writer.write(event.SerializeToString(deterministic=True))
    content = buffer.getvalue()
    place = folder / run.experiment / _folder(run)
    for other in (folder / run.experiment).glob(f"*{run.id}"):
        if other != place and other.name.rpartition(" ")[2] == run.id:
            shutil.rmtree(other)
    # the number replaces the time of writing, so that the same run always gives the same bytes
    path = place / "events.out.tfevents.0000000000.bn_study"
    there = path.read_bytes() if path.exists() else b""
    if not (there and content.startswith(there)):
        there = b""
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    with open(path, "ab") as file:
        file.write(content[len(there) :])
    return place


def _folder(run: Run) -> str:
    """`<name> <id>`; what is not everywhere allowed in a file's name is an underscore."""
    name = re.sub(r"[^\w .,=+\[\]-]", "_", run.name).encode()[: LONGEST - len(run.id) - 1]
    return f"{name.decode(errors='ignore')} {run.id}"


def _events(run: Run, histograms: Literal["none", "few", "all"]) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    yield Event(file_version="brain.Event:2")
    yield from _hparams(run)
    chosen = run.chosen(histograms)
    for step in sorted({*run.scalars, *chosen}):
        values = [_scalar(name, value) for name, value in run.scalars.get(step, {}).items() if np.isfinite(value)]
        values += [_histogram(name, *one) for name, one in chosen.get(step, {}).items()]
        yield Event(step=step, wall_time=float(step), summary=Summary(value=values))
    if run.status != "running":
        yield _ended(run)


def _hparams(run: Run) -> Iterator[Any]:
    """The settings as hyperparameters, and the last values as metrics.

    TensorBoard takes the columns of its table from any one run, so each lists the settings of all. It sorts them by
    name, after those that are said to differ.
    """
    from google.protobuf.struct_pb2 import Value
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    def value(one: Any) -> Value:
        if isinstance(one, bool):
            return Value(bool_value=one)
        return Value(number_value=one) if isinstance(one, (int, float)) else Value(string_value=str(one))

    metrics = [
        api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in run.last if name.rpartition("/")[0] == "test"
    ]
    varied = run.sweep.settings[: run.sweep.varied]
    infos = [
        api_pb2.HParamInfo(name=name, differs=name in varied)
        for name in dict.fromkeys([*run.sweep.settings, *run.settings])
    ]
    settings = {name: value(one) for name, one in run.settings.items()}
    experiment = api_pb2.Experiment(hparam_infos=infos, metric_infos=metrics)
    yield _session(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=experiment))
    start = SessionStartInfo(hparams=settings, group_name=f"{run.name} {run.id}")
    yield _session(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))


def _ended(run: Run) -> Any:
    """How the run ended, for HParams."""
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    status = api_pb2.STATUS_FAILURE if run.status == "diverged" else api_pb2.STATUS_SUCCESS
    return _session(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=SessionEndInfo(status=status)))


def _session(tag: str, content: Any) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    about = metadata.create_summary_metadata(content)
    content.version = metadata.PLUGIN_DATA_VERSION
    about.plugin_data.content = content.SerializeToString(deterministic=True)  # the settings in one order
    return Event(summary=Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)]))


def _scalar(name: str, value: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.scalar.metadata import create_summary_metadata

    metadata: SummaryMetadata = create_summary_metadata(display_name=name, description="")
    return Summary.Value(tag=name, metadata=metadata, tensor=_tensor(np.float32(value)))


def _histogram(name: str, counts: np.ndarray, edges: np.ndarray) -> Any:
    """Rows of left end, right end and count, which is TensorBoard's format of a histogram."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.histogram.metadata import create_summary_metadata

    buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
    metadata = create_summary_metadata(display_name=name, description="")
    return Summary.Value(tag=name, metadata=metadata, tensor=_tensor(buckets))


def _tensor(value: Any) -> Any:
    from tensorboard.util.tensor_util import make_tensor_proto

    return make_tensor_proto(value)
