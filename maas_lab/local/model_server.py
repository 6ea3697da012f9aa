"""Serve a GGUF model with llama.cpp's own HTTP server: python model_server.py MODEL PORT THREADS SLOTS CONTEXT NAME.

Runs in the runtime environment. The key comes from the environment (MODEL_KEY). The C++ server lives in threads of
this process and answers 503 to everything until the model is loaded.
"""

import os
import signal
import sys
import threading

import xllamacpp


def parameters(path: str, port: int, threads: int, slots: int, context: int, name: str) -> xllamacpp.CommonParams:
    """Describe the server: `context` is tokens per slot, and llama.cpp divides `n_ctx` over the slots."""
    p = xllamacpp.CommonParams()
    p.model.path = path
    p.model_alias = {name}
    p.hostnames, p.port = ["127.0.0.1"], port
    p.n_parallel, p.n_ctx = slots, context * slots
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
    p.endpoint_metrics = True
    p.api_keys = [os.environ.pop("MODEL_KEY")]
    return p


def main() -> None:
    """Serve until asked to end."""
    path, name = sys.argv[1], sys.argv[6]
    port, threads, slots, context = (int(argument) for argument in sys.argv[2:6])
    server = xllamacpp.Server(parameters(path, port, threads, slots, context, name))
    print(f"serving {name} at {server.listening_address}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()


if __name__ == "__main__":
    main()
