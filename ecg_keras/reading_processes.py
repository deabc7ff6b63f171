"""Many pages, read by some processes: `digitize`, `submit`, `evaluate`.

Most of a page's time goes to finding its millimetres, on one core, and threads
wait there for each other's Python (`benchmarks/processes.py`). Each process has
a reader of its own, which takes 1 GB and some seconds to load.

    processes = n_processes(len(pages))
    reader = page_reader(given, processes)
    for reading in in_turn(reader.read, images, threads_for(processes)):
        ...
"""

import collections
import concurrent.futures
import concurrent.futures.process
import dataclasses
import multiprocessing
import os
import signal
import threading
import weakref

from ecg_keras.errors import InputError

# Fewer pages are read before other processes have loaded their readers.
FEWEST_PAGES = 8
MOST_PROCESSES = 4
# Each process has a core: threads of matrix products would wait for each other.
_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "-1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
# glibc keeps what is free for the next page: a twentieth of its time.
_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}
DIED = "the process that read it died, as where memory is too small"
DIED_ADVICE = "give --processes 1, or a smaller picture"


def n_processes(n_pages, asked=None):
    """How many processes read some pages.

    Args:
        n_pages: number of pages.
        asked: what the user asked for; None: one for each core, few.
    """
    if asked is not None:
        return max(min(asked, n_pages), 1)
    if n_pages < FEWEST_PAGES:
        return 1
    return min(n_cores(), MOST_PROCESSES)


def n_cores():
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def page_reader(given=None, processes=1):
    """What reads pages in some processes, this one if it is one.

    Args:
        given: `Given`, what is known of all pages.
        processes: how many, see `n_processes`.

    Returns:
        `page_reader.PageReader` or `ReadingProcesses`.
    """
    if processes == 1:
        return _load(given)
    return ReadingProcesses(given, processes)


def _load(given):
    # Imported here: what only counts processes waits for nothing else.
    from ecg_keras.page_reader import load_page_reader

    return load_page_reader(given)


class ReadingProcesses:
    """Reads pages as a `PageReader` does, in processes of its own.

    They read on CPUs: a GPU has no memory for several, and saves little. They
    end with this process, or when this is no longer used.

    Args:
        given: see `page_reader`.
        count: how many.
    """

    def __init__(self, given, count):
        self.given, self.count = given, count
        # Read when a process starts, not in it.
        for name, value in _MEMORY.items():
            os.environ.setdefault(name, value)
        self._lock = threading.Lock()
        self._begin_pool()

    def _begin_pool(self):
        self._pool = _pool(self.given, self.count)
        # Also at the end of Python, which else complains of what is left.
        weakref.finalize(self, self._pool.shutdown)

    def read(self, image):
        """Read a picture, in one of the processes.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            `PageReading` without the map, the layout and heights.

        Raises:
            InputError: the process died of this picture.
        """
        pool = self._pool
        try:
            return pool.submit(_read, image).result()
        except concurrent.futures.process.BrokenProcessPool:
            with self._lock:
                if self._pool is pool:
                    # Memory may be too small for as many.
                    self.count = max(self.count - 1, 1)
                    self._begin_pool()
                # Of all pages that were being read, one did it: each is read
                # again alone.
                return self._read_alone(image)

    def _read_alone(self, image):
        with _pool(self.given, 1) as alone:
            try:
                return alone.submit(_read, image).result()
            except concurrent.futures.process.BrokenProcessPool:
                raise InputError(DIED, DIED_ADVICE) from None


def _pool(given, count):
    return concurrent.futures.ProcessPoolExecutor(
        count,
        # A fork would copy what Keras has begun.
        multiprocessing.get_context("spawn"),
        _begin,
        (given,),
    )


def _begin(given):
    """What a process does first."""
    global _reader
    # This process is told of it, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ |= _ENVIRONMENT
    # Imported here: NumPy reads that when it is loaded.
    import cv2

    cv2.setNumThreads(1)
    _reader = _load(given)


def _end_with_parent():
    """A parent that was killed does not tell its children."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _read(image):
    found = _reader.read(image)
    return dataclasses.replace(found, printed=None, paper_map=None, heights=())


def threads_for(processes):
    """How many threads wait for processes, see `in_turn`.

    Twice as many, so that no process waits for another's slow page.
    """
    return 2 * processes if processes > 1 else 1


def in_turn(do, items, threads=1):
    """Do something with each of some items, some of them at once.

    Items are taken, and answers given, in this thread and in their order. No
    more are taken than there are threads, so that memory does not grow with
    their number. What fails is raised in its turn, and ends it.

    Args:
        do: function of an item, as `ReadingProcesses.read`.
        items: iterable.
        threads: how many, see `threads_for`; of 1 there is no other.

    Yields:
        What `do` returns of each item.
    """
    if threads == 1:
        yield from map(do, items)
        return
    waiting = collections.deque()
    pool = concurrent.futures.ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(do, item))
            if len(waiting) == threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
