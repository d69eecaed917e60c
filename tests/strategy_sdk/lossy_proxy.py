"""A TCP proxy that loses one reply of Redis: the command ran, its answer never arrives."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class LossyProxy:
    """Forwards to ``port``; ``lose_reply_to(word)`` cuts the line instead of answering."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._word = b""
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.lost = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def lose_reply_to(self, word: str) -> None:
        self._word = word.encode()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            _hang_up(one)
        for thread in self._threads:
            thread.join(2)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            thread = threading.Thread(target=self._serve, args=(client, server), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        """Forward one command, then its reply; the SDK never sends two before an answer."""
        with contextlib.suppress(OSError):
            while request := client.recv(65536):
                losing = bool(self._word) and self._word in request
                server.sendall(request)
                reply = server.recv(65536)
                if losing:
                    self._word = b""
                    self.lost += 1
                    break
                client.sendall(reply)
        _hang_up(client)
        _hang_up(server)


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextlib.contextmanager
def lossy_proxy(port: int) -> Iterator[LossyProxy]:
    """Yield a proxy to the local port."""
    proxy = LossyProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
