"""Training examples that are not on the device: read a chunk of steps ahead, in an order that files can give."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..storage.memory import readable
from .feed import AbstractBatches, AbstractFeed, Fetched, Hiding, permuted_batches, spread
from .schedule import MAX_STEPS_PER_CHUNK, Schedule

# Bytes of the examples that one call of the program is given, and of a window, within which rows are shuffled.
CHUNK_BYTES, WINDOW_BYTES = 1 << 26, 1 << 28
# Pairs of neighbours of which the quality of a shuffle is measured.
_PAIRS = 100_000


def steps_at_once(data: Example, batch_size: int) -> int:
    """How many steps one call of the program may take: as many as their examples take little memory, where they are brought."""
    if not data.is_streamed:
        return MAX_STEPS_PER_CHUNK
    return max(1, min(MAX_STEPS_PER_CHUNK, CHUNK_BYTES // (min(batch_size, len(data)) * _bytes_each(data))))


def _bytes_each(data: Example) -> int:
    return max(1, data.x.nbytes // max(1, len(data)))


class Windows:
    """The order of an epoch in two levels: blocks in a random order, and all rows of a few of them, a window, among each other.

    Which row stands where is a function of (seed, epoch) and the blocks' sizes alone.

    - `starts`: the first row of each block, and at the end how many rows there are. `window_rows`: a window is full with so many.
    """

    def __init__(self, starts: np.ndarray, window_rows: int) -> None:
        self.starts, self.window_rows = starts, window_rows
        self._known: tuple[Any, list[np.ndarray], np.ndarray] = ((), [], np.zeros(1, np.int64))

    def windows(self, seed: tuple[int, ...], epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        """The blocks of each window of an epoch, and the place in the epoch at which each begins, with its end."""
        if self._known[0] != (seed, epoch):
            sizes = np.diff(self.starts)
            blocks = np.random.default_rng([*seed, epoch]).permutation(len(sizes))
            number = (np.cumsum(sizes[blocks]) - sizes[blocks]) // max(1, self.window_rows)
            windows = np.split(blocks, np.flatnonzero(np.diff(number)) + 1)
            ends = np.cumsum([sizes[window].sum() for window in windows])
            self._known = ((seed, epoch), windows, np.concatenate([[0], ends]))
        return self._known[1], self._known[2]

    def stored(self, seed: tuple[int, ...], epoch: int, window: int) -> np.ndarray:
        """The rows of a window as they are stored."""
        blocks = np.sort(self.windows(seed, epoch)[0][window])
        return np.concatenate([np.arange(int(self.starts[block]), int(self.starts[block + 1])) for block in blocks])

    @staticmethod
    def shuffled(seed: tuple[int, ...], epoch: int, window: int, count: int) -> np.ndarray:
        """Which of the window's rows as stored stands at each of its places."""
        return np.random.default_rng([*seed, epoch, window]).permutation(count)

    def neighbours(self, seed: tuple[int, ...], epoch: int = 0) -> float:
        """The correlation of the places in the file of rows that follow each other: 0 in a full shuffle, 1 as stored."""
        windows, _ = self.windows(seed, epoch)
        pairs = []
        for window in range(len(windows)):
            rows = self.stored(seed, epoch, window)
            rows = rows[self.shuffled(seed, epoch, window, len(rows))][: max(2, _PAIRS // len(windows))]
            pairs.append(np.stack([rows[:-1], rows[1:]]))
        first, second = np.concatenate(pairs, axis=1).astype(np.float64)
        return float(np.corrcoef(first, second)[0, 1]) if len(first) > 1 else 1.0


class Reader:
    """Reads chunks of steps, the next one on a thread while the device works on this one; and a window ahead of that.

    - `waited`: seconds for which the program waited. `windows_read`: how many were read so far.
    """

    def __init__(self, data: Example) -> None:
        self.data, self.waited, self.windows_read = data, 0.0, 0
        starts = data.x.starts
        self.order = None if starts is None else Windows(starts, max(1, WINDOW_BYTES // _bytes_each(data)))
        self._chunks: dict[tuple[int, int], Future[Example]] = {}
        self._windows: dict[tuple[int, int], Future[Example]] = {}
        self._threads: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None

    def take(self, key: PRNGKeyArray, first_step: int, schedule: Schedule) -> Example:
        """The examples of the chunk that starts at `first_step`; the one behind it is begun."""
        begun = time.perf_counter()
        found = self._begin(key, first_step, schedule).result()
        self.waited += time.perf_counter() - begun
        self._chunks = {}
        following = first_step + schedule.steps_per_chunk
        if following < schedule.num_steps:
            self._begin(key, following, schedule.next_chunk(following))
        return found

    def close(self) -> None:
        """Forget what was read ahead, and end the threads."""
        if self._threads is not None:
            for thread in self._threads:
                thread.shutdown(wait=True, cancel_futures=True)
        self._threads, self._chunks, self._windows = None, {}, {}

    def _begin(self, key: PRNGKeyArray, first_step: int, schedule: Schedule) -> Future[Example]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, "chunks"), ThreadPoolExecutor(1, "windows")
        name = first_step, schedule.steps_per_chunk
        if name not in self._chunks:
            self._chunks[name] = self._threads[0].submit(self._chunk, key, first_step, schedule)
        return self._chunks[name]

    def _chunk(self, key: PRNGKeyArray, first_step: int, schedule: Schedule) -> Example:
        if self.order is None:
            rows = np.asarray(permuted_batches(key, jnp.int32(first_step), schedule, len(self.data)))
            return self.data[rows.reshape(-1)]
        seed = _seed_of(key)
        parts, step, last = [], first_step, first_step + schedule.steps_per_chunk
        while step < last:
            epoch, within = divmod(step, schedule.steps_per_epoch)
            count = min(last - step, schedule.steps_per_epoch - within)
            first = within // schedule.steps_per_batch
            behind = -(-(within + count) // schedule.steps_per_batch)
            batches = self._places(seed, epoch, first * schedule.batch_size, behind * schedule.batch_size)
            if schedule.steps_per_batch > 1:
                which = np.arange(within, within + count) // schedule.steps_per_batch - first
                rows = (which[:, None] * schedule.batch_size + np.arange(schedule.batch_size)).reshape(-1)
                batches = batches[rows]
            parts.append(batches)
            step += count
        return _joined(parts)

    def _places(self, seed: tuple[int, ...], epoch: int, first: int, last: int) -> Example:
        """The examples at some places of an epoch's order."""
        assert self.order is not None
        _, starts = self.order.windows(seed, epoch)
        parts = []
        for window in range(int(np.searchsorted(starts, first, side="right")) - 1, len(starts) - 1):
            begin, end = int(starts[window]), int(starts[window + 1])
            if begin >= last:
                break
            rows = self.order.shuffled(seed, epoch, window, end - begin)[max(first, begin) - begin : min(last, end) - begin]
            parts.append(self._window(seed, epoch, window)[rows])
        return _joined(parts)

    def _window(self, seed: tuple[int, ...], epoch: int, window: int) -> Example:
        assert self.order is not None
        assert self._threads is not None
        count = len(self.order.windows(seed, epoch)[0])
        following = (epoch, window + 1) if window + 1 < count else (epoch + 1, 0)
        # Only this one and the next are kept.
        self._windows = {name: self._windows[name] for name in ((epoch, window), following) if name in self._windows}
        if (epoch, window) not in self._windows:
            self._windows[epoch, window] = self._threads[1].submit(self._load, self.order.stored(seed, epoch, window))
        found = self._windows[epoch, window].result()
        # The next epoch's first window is begun when it is asked for: training may end with this one.
        if following[0] == epoch and following not in self._windows:
            self._windows[following] = self._threads[1].submit(self._load, self.order.stored(seed, *following))
        return found

    def _load(self, rows: np.ndarray) -> Example:
        self.windows_read += 1
        return self.data[rows]


class Stream(AbstractFeed):
    """Examples that are not in memory, brought a chunk of steps at a time.

    Where each row is read as quickly as any other, the order is that of `Resident`; else that of `Windows`.

    - `hidden`: as `Hiding.largest`; None where nothing is hidden.
    """

    reader: Reader = eqx.field(static=True)
    hidden: Float[Array, ""] | None = None

    @property
    @override
    def num_examples(self) -> int:
        return len(self.reader.data)

    @override
    def first(self, count: int) -> Example:
        return jax.tree.map(np.asarray, self.reader.data[:count])

    @override
    def some(self, count: int) -> Example:
        return jax.tree.map(np.asarray, self.reader.data[spread(count, self.num_examples)])

    @override
    def fetch(self, key: PRNGKeyArray, first_step: int, schedule: Schedule) -> AbstractBatches:
        fetched = Fetched(self.reader.take(key, first_step, schedule))
        return fetched if self.hidden is None else Hiding(fetched.data, fetched, self.hidden)

    @property
    @override
    def waited(self) -> float:
        return self.reader.waited

    @override
    def close(self) -> None:
        self.reader.close()

    @override
    def words(self, key: PRNGKeyArray) -> str:
        data, order = self.reader.data, self.reader.order
        all_of_it = f"the data would take {readable(data.x.nbytes)} as one array and are read as steps need them (data.memory)"
        if order is None:
            return f"{all_of_it}, each epoch in a full shuffle"
        seed = _seed_of(key)
        windows = len(order.windows(seed, 0)[0])
        return (
            f"{all_of_it}: {len(order.starts) - 1:,} blocks in random order, their rows shuffled in {windows:,} window"
            f"{'' if windows == 1 else 's'} of {readable(WINDOW_BYTES)}; rows that follow each other correlate by "
            f"{order.neighbours(seed):.3f} in their places (0: a full shuffle, 1: as stored)"
        )


def _seed_of(key: PRNGKeyArray) -> tuple[int, ...]:
    return tuple(int(word) for word in np.asarray(jax.random.key_data(key)).reshape(-1))


def _joined(parts: list[Example]) -> Example:
    if len(parts) == 1:
        return parts[0]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


__all__ = ["Reader", "Stream", "Windows", "steps_at_once"]
