"""The app's page and its requests, on this machine alone.

All addresses begin with a secret of the run, as a notebook server's do: other
users of the machine, and web sites that a browser has open, cannot ask for
patients' pages without it. The page asks for nothing from elsewhere, which its
Content-Security-Policy also forbids.
"""

import json
import secrets
import socket
import threading
import traceback
from pathlib import Path
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from ecg_keras.app.corrections import Corrections
from ecg_keras.app.session import view
from ecg_keras.errors import InputError

HOST = "127.0.0.1"
PAGE = Path(__file__).parent / "page"
STATIC = {
    "app.css": "text/css",
    "app.js": "text/javascript",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'none'; "
        "base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def build_app(session, secret, choices):
    """The web application.

    Args:
        session: `Session` of the pages.
        secret: with which all addresses begin.
        choices: dict of what can be said of a page, see `command.choices`.

    Returns:
        starlette.applications.Starlette.
    """

    async def page(request):
        return FileResponse(PAGE / "index.html", media_type="text/html")

    async def static(request):
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404, "no such file")
        return FileResponse(PAGE / name, media_type=STATIC[name])

    async def state(request):
        pages = [view(shown) for shown in session.pages()]
        return JSONResponse({"choices": choices, "pages": pages})

    async def drop(request):
        path = session.new_file(request.query_params.get("name", "page"))
        with open(path, "wb") as file:
            async for chunk in request.stream():
                file.write(chunk)
        opened = await run_in_threadpool(session.open, path)
        return JSONResponse([view(shown) for shown in opened])

    async def read(request):
        said = Corrections.from_dict(await _json(request))
        return await _changed(session.read, _number(request), said)

    async def take_back(request):
        values = await _json(request)
        stretch = [values.get(k) for k in ("lead", "start_s", "stop_s")]
        return await _changed(session.take_back, _number(request), *stretch)

    async def restore(request):
        return await _changed(session.restore, _number(request))

    async def remove(request):
        session.remove(_number(request))
        return JSONResponse({})

    async def picture(request):
        data = session.page(_number(request)).picture
        if data is None:
            raise HTTPException(404, "no picture")
        return Response(data, media_type="image/jpeg")

    async def download(request):
        name, data = await run_in_threadpool(
            session.download,
            _number(request),
            request.path_params["kind"],
            "although_refused" in request.query_params,
        )
        return _attachment(name, data)

    async def download_all(request):
        return _attachment(*await run_in_threadpool(session.download_all))

    one = "/pages/{number:int}"
    routes = [
        Route("/", page),
        Route("/static/{name}", static),
        Route("/state", state),
        Route("/files", drop, methods=["POST"]),
        Route("/all.zip", download_all),
        Route(one, remove, methods=["DELETE"]),
        Route(f"{one}/read", read, methods=["POST"]),
        Route(f"{one}/take_back", take_back, methods=["POST"]),
        Route(f"{one}/restore", restore, methods=["POST"]),
        Route(f"{one}/picture.jpg", picture),
        Route(f"{one}/download/{{kind}}", download),
    ]
    app = Starlette(
        routes=[Mount(f"/{secret}", routes=routes)],
        exception_handlers={
            InputError: _input_error,
            HTTPException: _http_error,
            Exception: _defect,
        },
    )
    return _WithHeaders(app)


class AppServer:
    """The app's web server, bound to 127.0.0.1.

    Args:
        session: `Session` of the pages.
        choices: see `build_app`.
        port: to listen on; 0: any that is free.

    Attributes:
        url: of the page, with the secret.

    Raises:
        InputError: the port is taken.
    """

    def __init__(self, session, choices, port=0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind((HOST, port))
        except OSError as error:
            self.socket.close()
            raise InputError(
                f"--port {port} cannot be used: {error.strerror}. Give another"
            ) from None
        # From now on who asks is answered, if late.
        self.socket.listen()
        self.port = self.socket.getsockname()[1]
        self.path = f"/{secrets.token_urlsafe(24)}/"
        self.url = f"http://{HOST}:{self.port}{self.path}"
        config = uvicorn.Config(
            build_app(session, self.path.strip("/"), choices),
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = None

    def serve(self):
        """Answer until ^C or SIGTERM."""
        with self.socket:
            self._server.run(sockets=[self.socket])

    def start(self):
        """Answer in a thread, until `stop`."""
        self._thread = threading.Thread(target=self.serve, daemon=True)
        self._thread.start()

    def stop(self):
        """End the thread of `start`."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(10)


class _WithHeaders:
    """Adds `HEADERS` to all answers."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_with(message):
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((k.lower().encode(), v.encode())
                      for k, v in HEADERS.items()),
                ]  # fmt: skip
            await send(message)

        await self.app(scope, receive, send_with)


def _number(request):
    return request.path_params["number"]


async def _json(request):
    try:
        values = await request.json()
    except json.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise InputError("expected a JSON object")
    return values


async def _changed(function, *args):
    """The view of a page after a change that may take a while."""
    shown = await run_in_threadpool(function, *args)
    return JSONResponse(view(shown))


def _attachment(name, data):
    return Response(
        data,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"
        },
    )


async def _input_error(request, error):
    return JSONResponse({"error": str(error)}, 400)


async def _http_error(request, error):
    return JSONResponse({"error": str(error.detail)}, error.status_code)


async def _defect(request, error):
    traceback.print_exception(error)
    words = f"unexpected {type(error).__name__}: {error}"
    return JSONResponse({"error": words}, 500)
