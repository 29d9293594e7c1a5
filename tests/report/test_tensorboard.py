"""The TensorBoard log: read back by TensorBoard's own reader, resumed, and with no room left to write."""

import io
import resource
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lowerbound.errors import SavingError
from lowerbound.report.tensorboard import TensorBoardWriter


@pytest.fixture
def read(monkeypatch):
    """Reads a folder of event files as TensorBoard does, and never through TensorFlow where that is installed."""
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", types.ModuleType("notf"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(folder):
        return EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0}).Reload()

    return read


def points(log, name):
    return [(event.step, event.value) for event in log.Scalars(name)]


def test_scalars_come_back(tmp_path, read):
    with TensorBoardWriter(tmp_path / "new" / "log") as log:
        for step in (0, 13, 26):
            log.scalar("bound/validation_elbo_nats", 1000.5 + step, step)
        log.scalar("bound/train_elbo_nats", float("nan"), 26)
    back = read(tmp_path / "new" / "log")
    assert points(back, "bound/validation_elbo_nats") == [(0, 1000.5), (13, 1013.5), (26, 1026.5)]
    ((step, value),) = points(back, "bound/train_elbo_nats")
    assert step == 26
    assert np.isnan(value)


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_images_come_back(channels, tmp_path, read):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, *channels)).astype(np.uint8)
    with TensorBoardWriter(tmp_path) as log:
        log.image("samples", pixels, step=40)
    (event,) = read(tmp_path).Images("samples")
    assert (event.step, event.height, event.width) == (40, 5, 7)
    back = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    np.testing.assert_array_equal(back, pixels[..., 0] if channels == (1,) else pixels)


def test_an_image_of_two_channels_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"pixels has shape \(5, 7, 2\); expected .* with 1, 3 or 4 channels"):
        TensorBoardWriter(tmp_path).image("samples", np.zeros((5, 7, 2), np.uint8), step=0)


def test_graph_comes_back(tmp_path, read):
    from tensorboard.compat.proto.graph_pb2 import GraphDef  # pyright: ignore[reportAttributeAccessIssue]

    graph = GraphDef()
    graph.node.add(name="X", op="Placeholder")
    graph.node.add(name="X_encoder/tanh", op="tanh", input=["X"])
    with TensorBoardWriter(tmp_path) as log:
        log.graph(graph)
    assert read(tmp_path).Graph() == graph


def write_twice(folder, resume_step):
    with TensorBoardWriter(folder) as log:
        for step in range(8):
            log.scalar("loss", float(step), step)
    # The run was killed and goes on from its checkpoint at step 4, now with other numbers.
    with TensorBoardWriter(folder, resume_step=resume_step) as log:
        for step in range(5, 8):
            log.scalar("loss", 100.0 + step, step)


def test_a_resumed_run_replaces_the_points_after_its_checkpoint(tmp_path, read):
    write_twice(tmp_path, resume_step=4)
    assert points(read(tmp_path), "loss") == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 105), (6, 106), (7, 107)]


def test_without_the_mark_of_a_resumed_run_the_old_points_would_stay(tmp_path, read):
    write_twice(tmp_path, resume_step=None)
    assert len(points(read(tmp_path), "loss")) == 8 + 3


def test_nothing_is_written_before_flush_and_flush_writes_once(tmp_path, read):
    log = TensorBoardWriter(tmp_path)
    log.scalar("loss", 1.0, 0)
    assert not log.path.exists()
    log.flush()
    size = log.path.stat().st_size
    log.flush()
    log.flush()
    assert log.path.stat().st_size == size
    assert points(read(tmp_path), "loss") == [(0, 1.0)]


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path, read):
    log = TensorBoardWriter(tmp_path)
    log.scalar("loss", 1.0, 0)
    log.flush()
    size = log.path.stat().st_size
    log.scalar("loss", 2.0, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
    try:
        with pytest.raises(SavingError) as caught:
            log.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value) == (
        f"could not add to the TensorBoard log {log.path}: File too large. "
        "What it held is untouched. Free some space, or give the run another folder."
    )
    assert log.path.stat().st_size == size
    assert points(read(tmp_path), "loss") == [(0, 1.0)]
    log.flush()
    assert points(read(tmp_path), "loss") == [(0, 1.0), (1, 2.0)]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(SavingError, match=r"could not add to the TensorBoard log .*file/log/events"),
        TensorBoardWriter(tmp_path / "file" / "log"),
    ):
        pass


def test_the_log_does_not_hide_the_error_that_ends_a_run(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ZeroDivisionError), TensorBoardWriter(tmp_path / "file" / "log") as log:
        log.scalar("loss", 1 / 0, 0)


def test_tensorflow_is_never_looked_for_and_tensorboard_only_when_used(tmp_path):
    program = """
import sys

class Watch:
    seen = []
    def find_spec(self, name, path=None, target=None):
        self.seen.append(name)

sys.meta_path.insert(0, Watch())
from lowerbound.report.tensorboard import TensorBoardWriter
assert "tensorboard" not in sys.modules
with TensorBoardWriter(sys.argv[1]) as log:
    log.scalar("loss", 1.0, 0)
assert "tensorboard" in Watch.seen
assert [name for name in Watch.seen if name.split(".")[0] == "tensorflow"] == []
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(tmp_path)], check=True)
    assert len(list(Path(tmp_path).iterdir())) == 1
