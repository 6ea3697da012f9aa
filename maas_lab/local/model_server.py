"""Serve a GGUF model with llama.cpp's own HTTP server, configured by llama.cpp's own variables (LLAMA_ARG_...).

Runs in the runtime environment. The C++ server lives in threads of this process and answers 503 to everything until
the model is loaded.
"""

import os
import signal
import threading

import xllamacpp


def parameters() -> xllamacpp.CommonParams:
    """Describe the server; llama.cpp divides the context, in tokens, over the slots."""
    given = {name.removeprefix("LLAMA_ARG_"): value for name, value in os.environ.items()}
    p = xllamacpp.CommonParams()
    p.model.path = given["MODEL"]
    p.hostnames, p.port = [given["HOST"]], int(given["PORT"])
    p.n_parallel, p.n_ctx = int(given["N_PARALLEL"]), int(given["CTX_SIZE"])
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = int(given["THREADS"])
    p.endpoint_metrics = True
    if "ALIAS" in given:
        p.model_alias = {given["ALIAS"]}
    if key := os.environ.pop("LLAMA_API_KEY", ""):
        p.api_keys = [key]
    return p


def main() -> None:
    """Serve until asked to end."""
    chosen = parameters()
    server = xllamacpp.Server(chosen)
    print(f"serving {', '.join(chosen.model_alias) or chosen.model.path} at {server.listening_address}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()


if __name__ == "__main__":
    main()
