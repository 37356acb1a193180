"""Serves an experiment's page to browsers of this machine while a sweep runs: `bn-study report X --serve`.

Read only, on the loopback interface. The name that a request is for is checked, too: a foreign page whose name was made
to resolve to this machine (DNS rebinding) would otherwise be allowed to read the answers.
"""

import errno
import json
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from bn_study.errors import UsageError
from bn_study.report.web.live import Live

ADDRESS = "127.0.0.1"
PORT = 8776
"""Where it is served unless `--port` says otherwise."""
NAMES = frozenset({ADDRESS, "localhost"})
"""What a browser on this machine, or one behind a tunnel, calls it."""
SECONDS = 30
"""After which a client that says nothing is left."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Server(ThreadingHTTPServer):
    """Answers with the contents of `live`, each request in a thread of its own."""

    allow_reuse_port = False  # two servers on one port would take turns

    def __init__(self, live: Live, port: int) -> None:
        """Raises UsageError if the port cannot be had. port: 0 for any that is free."""
        html, data = "text/html; charset=utf-8", "application/json"
        self.contents: dict[str, tuple[str, Callable[[], bytes]]] = {
            "/": (html, live.page),
            "/index.html": (html, live.page),
            "/data.json": (data, live.data),
            "/status.json": (data, live.status),
        }
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "another program has it" if taken else f"it cannot be had ({error.strerror})"
            raise UsageError(f"--port {port}: {why}; give another one, or --port 0 for any that is free") from error

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a browser that was closed is none
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers one request: GET or HEAD of one of the server's contents."""

    server: Server
    timeout = SECONDS

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self._host() not in NAMES:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", f"this is {self.server.url} and no other".encode())
        elif path not in self.server.contents:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is no such page")
        else:
            kind, make = self.server.contents[path]
            try:
                self._answer(HTTPStatus.OK, kind, make())
            except UsageError as error:
                text = json.dumps({"error": str(error)}).encode()
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "application/json", text)

    do_HEAD = do_GET

    def __getattr__(self, name: str) -> Any:
        """The handler of any other method, which refuses it."""
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"only GET and HEAD", {"Allow": "GET, HEAD"})

    def _host(self) -> str | None:
        """The name that the request is for, without its port: that of a tunnel's end may be another one."""
        try:
            return urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            return None

    def _answer(self, status: HTTPStatus, kind: str, content: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        about = {"Content-Type": kind, "Content-Length": str(len(content))} | HEADERS | (more or {})
        for name, value in about.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *_: Any) -> None:
        """A page asks every few seconds: nothing is printed of it."""


def serve(server: Server) -> None:
    """Answer until Ctrl-C."""
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("no longer serving; the sweep, if there is one, goes on", file=sys.stderr)
    finally:
        server.server_close()
