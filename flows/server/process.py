"""The embedded Prefect server's process: it serves on the socket that it gets, until its standard input ends.

It is run as a file, not imported: only the standard library is loaded before the watch on the parent starts.
"""

import gc
import os
import signal
import socket
import sys
import threading
import time

GRACE_S = 2.0


def end_with_parent() -> None:
    """End once the last writer of our standard input is gone, however it died, even by ``kill -9``.

    After the signal the server writes the task states that it has received; nothing else may delay the end.
    """
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def serve(listener: socket.socket) -> None:
    # A collector that walks half a million new, living objects costs 0.5 s of 5 s of imports.
    gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    application = create_app()
    gc.enable()
    gc.freeze()
    config = uvicorn.Config(
        application, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    serve(socket.socket(fileno=int(sys.argv[1])))
