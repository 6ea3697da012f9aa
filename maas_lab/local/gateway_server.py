"""Run the LiteLLM proxy: python gateway_server.py --host ... --port ...

Runs in the runtime environment. The proxy is LiteLLM's own, with three additions. LiteLLM writes spend rows every few
seconds and drops those still in memory when it ends; here they are written before it ends, so that a stop loses no
call that somebody pays for. And LiteLLM does not notice that its query engine has died, after which no call can be
served; here it ends then, so that it is started anew. And it counts requests and tokens in a memory of 200 places,
which fifty users fill; here there is room for a whole cohort.
"""

import os
import sys
import threading
from typing import Any

from litellm import run_server
from litellm.proxy import proxy_server
from litellm.proxy.utils import update_spend
from prisma.engine._query import BaseQueryEngine

shut_down = proxy_server.proxy_shutdown_event
PLACES = 20_000
spawn, kill = BaseQueryEngine._spawn_process, BaseQueryEngine._kill_process
dismissed: set[int] = set()  # engines that LiteLLM itself ends, by process id


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
    proxy_server.proxy_shutdown_event = write_spend_and_shut_down
    BaseQueryEngine._spawn_process = spawn_and_watch
    BaseQueryEngine._kill_process = dismiss
    run_server(sys.argv[1:])
