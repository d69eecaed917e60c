"""A TCP proxy in front of Redis that can be cut: as on a dead network, nobody is told anything."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class CutProxy:
    """Forwards to a local port. What was connected when it was cut stays silent for ever."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._line = threading.Event()  # set: this line is dead
        self._cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def cut(self) -> None:
        """Let nothing through any more, neither on old connections nor on new ones."""
        with self._lock:
            self._cut = True
            self._line.set()

    def heal(self) -> None:
        """Let new connections through; the old ones stay dead."""
        with self._lock:
            self._cut = False
            self._line = threading.Event()

    def close(self) -> None:
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.append(client)
                if self._cut:
                    continue
                server = socket.create_connection(self._target)
                self._sockets.append(server)
                for pair in ((client, server), (server, client)):
                    arguments = (*pair, self._line)
                    threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, dead: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if dead.is_set():
                    return  # with both sockets left open
                sink.sendall(data)
        if not dead.is_set():
            for one in (source, sink):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cut_proxy(port: int) -> Iterator[CutProxy]:
    """Yield a proxy to the local port."""
    proxy = CutProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
