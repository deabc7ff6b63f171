"""Pages, decoded and resized once: a folder of files of raw RGB bytes.

Decoding the competition's 84 GB of PNG files takes longer than an epoch; an
entry of the cache is read in the time that its bytes take.
"""

import concurrent.futures
import hashlib
import os
from pathlib import Path

from tqdm import tqdm

from ecg_keras.errors import InputError
from ecg_keras.files import replacing
from ecg_keras.page.images import read_resized


def cache_path(source, image_size, cache_dir):
    """The cache's file for an image: one for each source and size.

    Args:
        source: the image file.
        image_size: (H, W) px to which it is resized.
        cache_dir: folder of the cache, shared by runs.
    """
    height, width = image_size
    source = Path(source).resolve()
    key = hashlib.sha256(str(source).encode()).hexdigest()[:16]
    folder = Path(cache_dir) / f"{height}x{width}" / key[:2]
    return folder / f"{source.stem}-{key}.rgb"


def is_cached(source, image_size, cache_dir):
    """Whether the cache holds an image as it is now.

    An entry carries its source's time of change, as rsync does: it is out of
    date when that differs, and incomplete when it has another size.
    """
    try:
        entry = cache_path(source, image_size, cache_dir).stat()
        changed_ns = os.stat(source).st_mtime_ns
    except OSError:
        return False
    whole = entry.st_size == 3 * image_size[0] * image_size[1]
    return whole and entry.st_mtime_ns == changed_ns


def fill_cache(sources, image_size, cache_dir, on_bad):
    """Decode what the cache lacks, on all cores.

    Args:
        sources: list of (record index, path of an image).
        image_size, cache_dir: see `cache_path`.
        on_bad: called with (record index, message) for an image that cannot be
            read, which is then left out.

    Returns:
        list of (record index, cached path).
    """
    missing = [s for s in sources if not is_cached(s[1], image_size, cache_dir)]
    bad = set()
    # Decoding releases the interpreter's lock: threads use all cores.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {
            pool.submit(_write_cached, path, image_size, cache_dir): (i, path)
            for i, path in missing
        }
        done = concurrent.futures.as_completed(jobs)
        bar = tqdm(done, "decoding pages", len(jobs), disable=not jobs)
        try:
            for job in bar:
                try:
                    job.result()
                except InputError as error:
                    bad.add(jobs[job])
                    on_bad(jobs[job][0], str(error))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [
        (index, cache_path(path, image_size, cache_dir))
        for index, path in sources
        if (index, path) not in bad
    ]


def _write_cached(source, image_size, cache_dir):
    changed_ns = os.stat(source).st_mtime_ns
    pixels = read_resized(source, *image_size)
    with replacing(cache_path(source, image_size, cache_dir)) as partial:
        partial.write_bytes(pixels.tobytes())
        os.utime(partial, ns=(changed_ns, changed_ns))


def cache_size_bytes(records, image_size, cache_dir):
    """Bytes that the cache will grow by for the images of some records."""
    missing = sum(
        not is_cached(path, image_size, cache_dir)
        for record in records
        for path in record.image_paths.values()
    )
    return missing * 3 * image_size[0] * image_size[1]
