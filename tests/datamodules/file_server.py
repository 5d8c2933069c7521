"""A web server over a folder that counts requests and can be told to fail."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class FileServer(ThreadingHTTPServer):
    """Serves a folder.

    Attributes:
        served: how often each file was asked for.
        torn: how many of the next answers for a file end too early.
        altered: how many of the next answers for a file have one wrong byte.
        broken: how many of the next answers for a file are errors.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.served: Counter[str] = Counter()
        self.torn: Counter[str] = Counter()
        self.altered: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(root)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(SimpleHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        path = self.server.root / name
        if not path.is_file():
            self.send_error(404)
            return
        self.server.served[name] += 1
        content = path.read_bytes()
        if self._take(self.server.broken, name):
            self.send_error(503)
            return
        if self._take(self.server.altered, name):
            content = content[:-1] + bytes([content[-1] ^ 1])
        if self._take(self.server.torn, name):
            content = content[: len(content) // 2]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _take(self, faults: Counter[str], name: str) -> bool:
        faults[name] -= 1
        return faults[name] >= 0

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving(root: Path) -> Iterator[FileServer]:
    """Serve a folder until the block ends."""
    server = FileServer(root)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
