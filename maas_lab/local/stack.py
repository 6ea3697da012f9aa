"""What runs in the local stack: database, model server and gateway, each as a spec with its real probe."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from maas_lab import wait
from maas_lab.gateway import Gateway
from maas_lab.local import probes
from maas_lab.local.home import Home, Secrets, write_private
from maas_lab.local.postgres import Postgres
from maas_lab.local.runtime import Runtime
from maas_lab.local.supervisor import Health, Spec
from maas_lab.settings import LOOPBACK, Settings, child_environment

MODEL = "smollm2-135m-instruct"
HERE = Path(__file__).parent
NAMES = ("postgres", "model", "gateway")
CONFIG = {
    "model_list": [],  # models are registered through the API: LiteMaaS drops those of a configuration file
    "litellm_settings": {"telemetry": False},
    "general_settings": {
        "master_key": "os.environ/LITELLM_MASTER_KEY",
        "store_model_in_db": True,
        "proxy_batch_write_at": 2,
    },
}


@dataclass(frozen=True)
class Stack:
    """The processes of one home, as the supervisor needs them."""

    home: Home
    runtime: Runtime
    settings: Settings
    ports: dict[str, int]
    secrets: Secrets

    @property
    def endpoints(self) -> dict[str, str]:
        """Where the stack is reached, without secrets."""
        return {name: f"http://{LOOPBACK}:{self.ports[name]}" for name in ("gateway", "model")}

    @property
    def postgres(self) -> Postgres:
        """The database."""
        return Postgres(self.home, self.runtime.postgres_bin, self.ports["postgres"], self.secrets)

    def specs(self) -> list[Spec]:
        """Return what to run, dependencies first."""
        return [self._database(), self._model(), self._gateway()]

    def register(self) -> None:
        """Make the gateway's catalog hold the model at the lab's prices, once."""
        with Gateway(self.endpoints["gateway"], self.secrets.master_key) as gateway:
            gateway.register_model(
                MODEL,
                served=MODEL,
                api_base=self.endpoints["model"] + "/v1",
                api_key=self.secrets.model_key,
                input_cost=self.settings.prices.input,
                output_cost=self.settings.prices.output,
            )

    def _database(self) -> Spec:
        database = self.postgres
        return Spec(
            name="postgres",
            argv=database.argv,
            env=child_environment(),
            cwd=Path("/"),
            log=self.home.logs / "postgres.log",
            port=self.ports["postgres"],
            probe=lambda process: Health(not (why := database.answers()), why),
            prepare=lambda sleep: database.create(),
            stop_signal=signal.SIGINT,  # "fast": roll back what is open, write the rest, end
            pid_file=database.data / "postmaster.pid",
        )

    def _model(self) -> Spec:
        chosen, port = self.settings.model, self.ports["model"]
        numbers = (str(number) for number in (port, chosen.threads, chosen.slots, chosen.context))
        script = str(HERE / "model_server.py")
        return Spec(
            name="model",
            argv=(str(self.runtime.python), "-I", script, str(self.runtime.model), *numbers, MODEL),
            env=child_environment() | {"MODEL_KEY": self.secrets.model_key},
            cwd=self.home.root,
            log=self.home.logs / "model.log",
            port=port,
            probe=probes.http_probe(port, "/health"),
        )

    def _gateway(self) -> Spec:
        """LiteLLM needs no database to start importing: its query engine waits for it, so both start together."""
        port = str(self.ports["gateway"])
        options = ("--host", LOOPBACK, "--port", port, "--config", "config.yaml", "--telemetry", "False")
        return Spec(
            name="gateway",
            argv=(str(self.runtime.python), "-I", str(HERE / "gateway_server.py"), *options),
            env=self._gateway_environment(),
            cwd=self.home.gateway,
            log=self.home.logs / "gateway.log",
            port=self.ports["gateway"],
            probe=probes.gateway_probe(self.ports["gateway"]),
            prepare=self._prepare_gateway,
        )

    def _gateway_environment(self) -> dict[str, str]:
        environment = child_environment()
        stub = self.runtime.prisma_environment
        path = ":".join((str(HERE / "prisma" / "cli-stub"), stub["PATH"], environment.get("PATH", "")))
        return (environment | stub) | {
            "PATH": path,
            "DATABASE_URL": self.postgres.url,
            "DISABLE_SCHEMA_UPDATE": "true",  # migrations are applied as SQL, see postgres.migrate
            "LITELLM_MASTER_KEY": self.secrets.master_key,
            "LITELLM_SALT_KEY": self.secrets.salt_key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MODE": "PRODUCTION",  # no .env file of the learner's is read
            "PYTHONUNBUFFERED": "1",
        }

    def _prepare_gateway(self, sleep: Callable[[float], None]) -> None:
        write_private(self.home.gateway / "config.yaml", json.dumps(CONFIG, indent=1))  # JSON is YAML
        database, folder = self.postgres, self.runtime.migrations
        if not database.is_migrated(folder):
            wait.until(lambda: not database.answers(), what="the database", timeout=math.inf, sleep=sleep)
            database.migrate(folder)
