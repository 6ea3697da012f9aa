"""Run the LiteLLM proxy: python gateway_server.py --host ... --port ...

Runs in the runtime environment. The proxy is LiteLLM's own, with four additions. LiteLLM writes spend rows every few
seconds and drops those still in memory when it ends; here they are written before it ends, so that a stop loses no
call that somebody pays for. And LiteLLM does not notice that its query engine has died, after which no call can be
served; here it ends then, so that it is started anew. It counts requests and tokens in a memory of 200 places,
which fifty users fill; here there is room for a whole cohort. And at its end it closes connections between two calls,
which loses the second where a client was about to send it; here clients are told first, as a cluster's router does.
"""

import asyncio
import os
import sys
import threading
from typing import Any

import uvicorn
from litellm import run_server
from litellm.proxy import proxy_server
from litellm.proxy.utils import update_spend
from prisma.engine._query import BaseQueryEngine

shut_down, close = proxy_server.proxy_shutdown_event, uvicorn.Server.shutdown
PLACES = 20_000
FAREWELL_S = 1.0  # in which clients that call all the time hear that their connection ends
spawn, kill = BaseQueryEngine._spawn_process, BaseQueryEngine._kill_process
dismissed: set[int] = set()  # engines that LiteLLM itself ends, by process id


class Farewell:
    """Tells clients that this answer is the last one on its connection, once the process is about to end."""

    is_due = False

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""

        async def told(message: Any) -> None:
            if self.is_due and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, told)


async def take_leave(server: uvicorn.Server, sockets: Any = None) -> None:
    """Answer a little longer, and tell clients to go; then do what the server does at its end."""
    Farewell.is_due = True
    if server.server_state.connections:
        await asyncio.sleep(FAREWELL_S)
    await close(server, sockets)


async def write_spend_and_shut_down() -> None:
    """Write the spend rows still in memory, then do what LiteLLM does at its end."""
    if proxy_server.prisma_client is not None:
        await update_spend(
            prisma_client=proxy_server.prisma_client,
            db_writer_client=proxy_server.db_writer_client,
            proxy_logging_obj=proxy_server.proxy_logging_obj,
        )
    await shut_down()


def spawn_and_watch(engine: BaseQueryEngine, **options: object) -> tuple[str, Any]:
    """Start a query engine and end with it."""
    url, process = spawn(engine, **options)
    threading.Thread(target=end_with, args=(process,), daemon=True).start()
    return url, process


def dismiss(engine: BaseQueryEngine, **options: object) -> None:
    """End a query engine that is not needed any more."""
    if engine.process is not None:
        dismissed.add(engine.process.pid)
    kill(engine, **options)


def end_with(process: Any) -> None:
    """Wait for an engine's end and end too, unless LiteLLM wanted it so."""
    code = process.wait()
    if process.pid not in dismissed:
        print(f"the query engine ended by itself ({code}), and the gateway is useless without it", flush=True)
        os._exit(1)


def remember_more() -> None:
    """Give the counters of limits room: once the places are full, no limit of requests or tokens holds any more."""
    for cache in (proxy_server.user_api_key_cache, proxy_server.proxy_logging_obj.internal_usage_cache.dual_cache):
        cache.in_memory_cache.max_size_in_memory = PLACES


if __name__ == "__main__":
    remember_more()
    proxy_server.app.add_middleware(Farewell)
    uvicorn.Server.shutdown = take_leave
    proxy_server.proxy_shutdown_event = write_spend_and_shut_down
    BaseQueryEngine._spawn_process = spawn_and_watch
    BaseQueryEngine._kill_process = dismiss
    run_server(sys.argv[1:])
