"""What runs in the local stack: database, model server and gateway, each as a spec with its real probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from maas_lab.gateway import Gateway
from maas_lab.local import probes
from maas_lab.local.home import Home, Secrets
from maas_lab.local.images import Container, Image
from maas_lab.local.postgres import Login
from maas_lab.local.programs import litellm, llamacpp, postgres
from maas_lab.local.runtime import Runtime
from maas_lab.local.supervisor import Health, Spec
from maas_lab.settings import LOOPBACK, Settings

MODEL = "smollm2-135m-instruct"
USER, DATABASE = "litellm", "litellm"
NAMES = ("postgres", "model", "gateway")


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
    def postgres(self) -> Login:
        """The database."""
        password = self.secrets.postgres_password
        return Login(self.runtime.postgres_bin, self.ports["postgres"], USER, password, DATABASE)

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
        env = {
            postgres.USER: USER,
            postgres.PASSWORD: self.secrets.postgres_password,
            postgres.DATABASE: DATABASE,
        }
        self.home.postgres.mkdir(exist_ok=True, mode=0o700)
        volumes = {str(postgres.MOUNT): self.home.postgres}
        image = postgres.image(self.runtime)
        return self._spec("postgres", image, self.home.postgres, env, lambda _: self._health(), volumes)

    def _health(self) -> Health:
        why = self.postgres.problem()
        return Health(not why, why)

    def _model(self) -> Spec:
        env = {"LLAMA_ARG_ALIAS": MODEL, "LLAMA_API_KEY": self.secrets.model_key}
        image, probe = (
            llamacpp.image(self.runtime, self.settings.model),
            probes.http_probe(self.ports["model"], "/health"),
        )
        return self._spec("model", image, self.home.root, env, probe)

    def _gateway(self) -> Spec:
        address = f"{LOOPBACK}:{self.ports['postgres']}/{DATABASE}"
        env = {
            "DATABASE_URL": f"postgresql://{USER}:{self.secrets.postgres_password}@{address}",
            "LITELLM_MASTER_KEY": self.secrets.master_key,
            "LITELLM_SALT_KEY": self.secrets.salt_key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "STORE_MODEL_IN_DB": "True",
            "PROXY_BATCH_WRITE_AT": "2",
        }
        probe = probes.gateway_probe(self.ports["gateway"])
        return self._spec("gateway", litellm.image(self.runtime), self.home.gateway, env, probe)

    def _spec(
        self,
        name: str,
        image: Image,
        folder: Path,
        env: dict[str, str],
        probe: Callable[[psutil.Process], Health],
        volumes: dict[str, Path] | None = None,
    ) -> Spec:
        port = self.ports[name]
        program = image.program(Container(env, {image.ports[0]: port}, volumes or {}, folder, name))
        return Spec(
            name=name,
            argv=program.argv,
            env=program.env,
            cwd=program.cwd,
            log=self.home.logs / f"{name}.log",
            port=port,
            probe=probe,
            prepare=program.prepare,
            stop_signal=program.stop_signal,
        )
