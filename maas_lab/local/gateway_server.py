"""Run the LiteLLM proxy: python gateway_server.py --host ... --port ... --config ...

Runs in the runtime environment. The proxy is LiteLLM's own, with one addition: LiteLLM writes spend rows every few
seconds and drops those still in memory when it ends; here they are written before it ends, so that a stop loses no
call that somebody pays for.
"""

import sys

from litellm import run_server
from litellm.proxy import proxy_server
from litellm.proxy.utils import update_spend

shut_down = proxy_server.proxy_shutdown_event


async def write_spend_and_shut_down() -> None:
    """Write the spend rows still in memory, then do what LiteLLM does at its end."""
    if proxy_server.prisma_client is not None:
        await update_spend(
            prisma_client=proxy_server.prisma_client,
            db_writer_client=proxy_server.db_writer_client,
            proxy_logging_obj=proxy_server.proxy_logging_obj,
        )
    await shut_down()


proxy_server.proxy_shutdown_event = write_spend_and_shut_down

if __name__ == "__main__":
    run_server(sys.argv[1:])
