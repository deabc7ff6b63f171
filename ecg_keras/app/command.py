"""The `app` command, and the app in a notebook."""

import atexit
import contextlib
import dataclasses
import importlib.util
import os
import signal
import sys
import webbrowser

from ecg_keras.app.session import DOWNLOADS, Session
from ecg_keras.documents.sources import SUFFIXES, find_files
from ecg_keras.errors import InputError, UsageError
from ecg_keras.models.layout.given import GAINS_MM_PER_MV, SPEEDS_MM_PER_S
from ecg_keras.models.layout.known_layouts import LAYOUT_NAMES
from ecg_keras.settings import positional, setting

# What shells say of a process that SIGTERM ended.
TERMINATED = 128 + signal.SIGTERM
# Kaggle shows a port of a notebook's machine below this address.
KAGGLE_PROXY = "https://kkb-production.jupyter-proxy.kaggle.net"


@dataclasses.dataclass(frozen=True)
class AppConfig:
    """Settings of `python -m ecg_keras app`."""

    images: tuple[str, ...] = positional(
        "pictures, PDFs, folders, patterns or @LIST to open; more can be "
        "dropped on the page",
        metavar="FILE",
    )
    port: int = setting(0, "port of 127.0.0.1; 0 is any that is free")
    browser: bool = setting(True, "open the page in the browser")


def run(config):
    """Serve the page until ^C; print its address.

    Args:
        config: an `AppConfig`.

    Raises:
        UsageError: a flag or a name is no good.
        InputError: a package is missing, or the port is taken.
    """
    if not 0 <= config.port <= 65535:
        raise UsageError(
            f"expected --port from 0 to 65535. Received: {config.port}"
        )
    files = find_files(config.images)[0] if config.images else []
    new_server = _server_class()
    terminated = _Terminated()
    session = Session()
    try:
        for path in files:
            session.open(path)
        server = new_server(session, choices(), config.port)
        terminated.server = server
        print(f"ecg_keras: {server.url}\nNothing leaves this machine. ^C ends.")
        sys.stdout.flush()
        if config.browser and _has_screen():
            webbrowser.open(server.url)
        with contextlib.suppress(KeyboardInterrupt):  # ^C
            server.serve()
        if terminated.came:
            sys.exit(TERMINATED)
    finally:
        session.close()
        if session.is_reading:
            # Its thread would be waited for.
            os._exit(TERMINATED if terminated.came else 0)


class _Terminated:
    """SIGTERM ends the process as ^C does: what was dropped is removed.

    An exception does it anywhere but in a weak reference's callback, where
    Python drops it: then the server, or its start, ends.
    """

    def __init__(self):
        self.came = False
        self.server = None
        signal.signal(signal.SIGTERM, self)

    def __call__(self, *_):
        self.came = True
        if self.server is not None:
            self.server.stop()
        sys.exit(TERMINATED)


def choices():
    """What the page offers: layouts, speeds, gains, kinds of files."""
    return {
        "layout": list(LAYOUT_NAMES),
        "speed_mm_per_s": list(SPEEDS_MM_PER_S),
        "gain_mm_per_mv": list(GAINS_MM_PER_MV),
        "downloads": list(DOWNLOADS),
        "suffixes": sorted(SUFFIXES),
    }


def show_in_notebook(proxy=None, height=1000):
    """Show the app in a notebook's cell; it ends with the kernel.

    Args:
        proxy: address below which the notebook's server shows a port of its
            machine, with `{port}` in it, as "/proxy/{port}" of
            jupyter-server-proxy. None: on Kaggle Kaggle's own; elsewhere
            127.0.0.1, for a notebook on the machine of the browser.
        height: of the frame in px.

    Returns:
        IPython.display.IFrame.

    Raises:
        InputError: a package is missing.
    """
    from IPython.display import IFrame

    new_server = _server_class()
    session = Session()
    server = new_server(session, choices())
    server.start()
    atexit.register(session.close)
    atexit.register(server.stop)
    if proxy is None and "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        proxy = _kaggle_proxy()
    url = server.url
    if proxy is not None:
        url = proxy.replace("{port}", str(server.port)).rstrip("/")
        url += server.path
    print(f"ecg_keras: {url}")
    return IFrame(url, "100%", height)


def _kaggle_proxy():
    from jupyter_server.serverapp import list_running_servers

    servers = list(list_running_servers())
    if not servers:
        raise InputError(
            "no notebook server was found: give `proxy`, the address below "
            "which it shows a port"
        )
    return f"{KAGGLE_PROXY}{servers[0]['base_url']}proxy/proxy/{{port}}"


def _server_class():
    """Raises: InputError: the packages of the page are not installed."""
    for name in ("starlette", "uvicorn"):
        if not importlib.util.find_spec(name):
            raise InputError(
                f"the app needs {name}: pip install 'ecg_keras[app]'"
            )
    from ecg_keras.app.server import AppServer

    return AppServer


def _has_screen():
    """Whether a browser would show a window, not take over the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
