"""A TensorBoard log: scalars, pictures and the graph in an event file, written with TensorBoard's own classes."""

from __future__ import annotations

import contextlib
import io
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ..errors import SavingError
from .images import png_bytes


class TensorBoardWriter:
    """Adds one event file to `folder`; a context manager.

    Nothing reaches the disk before `flush`, and no file is held open in between. That makes a scalar cheap, and a failure visible
    where it can be handled: the event file then ends where it ended before, and what could not be written waits for the next one.

    - `folder`: made if it is not there.
    - `resume_step`: the step from which a resumed run goes on. TensorBoard then drops what a previous event file in
      `folder` says of later steps; they are about to be written again.

    Raises `SavingError`, from `flush` and the end of a `with`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, TensorBoardWriter(folder) as log:
    ...     log.scalar("bound/validation_elbo_nats", 1320.5, step=400)
    """

    def __init__(self, folder: str | Path, *, resume_step: int | None = None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        self._pending = io.BytesIO()
        self._records = RecordWriter(self._pending)
        # TensorBoard reads a folder's event files in the order of their names: the time must come first, and finely.
        now = time.time_ns()
        name = f"events.out.tfevents.{now // 10**9:010d}.{now % 10**9:09d}.{os.getpid()}"
        self.path = Path(folder) / name
        self._write(file_version="brain.Event:2")
        if resume_step is not None:
            # TensorBoard drops what has this step or a later one.
            self._write(step=resume_step + 1, session_log=SessionLog(status=SessionLog.START))

    def scalar(self, name: str, value: float, step: int) -> None:
        """One point of the curve `name`; a slash in the name groups curves in TensorBoard."""
        self._write_summary(step, tag=name, simple_value=float(value))

    def image(self, name: str, pixels: UInt8[np.ndarray, "height width *channels"], step: int) -> None:
        """One picture: grey (height, width), or with 1, 3 (red, green, blue) or 4 (and opacity) channels."""
        height, width, *channels = pixels.shape
        if channels not in ([], [1], [3], [4]):
            raise ValueError(
                f"pixels has shape {pixels.shape}; expected (height, width) or (height, width, channels) with 1, 3 or 4 channels."
            )
        image = self._summary.Image(
            height=height, width=width, colorspace=channels[0] if channels else 1, encoded_image_string=png_bytes(pixels)
        )
        self._write_summary(step, tag=name, image=image)

    def graph(self, graph_def: Any) -> None:
        """The graph of the run, a `GraphDef`; one for each folder, so a resumed run does not write it again."""
        self._write(graph_def=graph_def.SerializeToString())

    def flush(self) -> None:
        """Put on disk all that was given so far."""
        content = self._pending.getvalue()
        if not content:
            return
        size = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab") as file:
                size = file.tell()
                file.write(content)
        except OSError as error:
            # Half a record would make all that follows it unreadable.
            if size is not None:
                with contextlib.suppress(OSError):
                    os.truncate(self.path, size)
            raise SavingError(
                f"could not add to the TensorBoard log {self.path}: {error.strerror or error}. "
                "What it held is untouched. Free some space, or give the run another folder."
            ) from error
        self._pending.seek(0)
        self._pending.truncate()

    def __enter__(self) -> TensorBoardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        # The error that ends the run says more than one about its log.
        with contextlib.nullcontext() if error is None else contextlib.suppress(SavingError):
            self.flush()

    def _write_summary(self, step: int, **value: Any) -> None:
        self._write(step=step, summary=self._summary(value=[self._summary.Value(**value)]))

    def _write(self, **fields: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())
