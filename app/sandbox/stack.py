"""The whole gateway on one machine: services, web process, workers; started in the order of their dependencies."""

import asyncio
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable

from app.core.migrations import migrate
from app.sandbox import demo_data, deployment, ports, processes, shops, tls
from app.sandbox.home import ROOT, Demo, Home, Interface, Networks, Secrets, WebhookReceiver
from app.sandbox.processes import Process, ProcessError
from app.sandbox.services import Services, in_parallel
from app.sandbox.shops import Shop

WEB_PORT = 8000
"""The usual port; if it is in use, any free one."""

WEBHOOK_PATH = "/webhooks/demo"

APP = {
    "web": ["web"],
    "chain": ["worker", "chain"],
    "webhooks": ["worker", "webhooks"],
    "default": ["worker", "default"],
    "signer": ["worker", "signer"],
}
"""The processes of the Procfile, with the arguments of `swap-pay` for each."""

APP_STOP_TIMEOUT_S = 12
"""A delivery in progress may take ten seconds; open checkout pages are disconnected after this time."""

APP_READY_TIMEOUT_S = 180
"""The first start compiles every module, perhaps on one slow core that others use too."""


class Stack:
    """A sandbox in `home`. `say` receives lines about slow steps and unusual events. `with_shops`: also the example
    shops of the checkout, if this is one."""

    def __init__(self, home: Home, say: Callable[[str], None] = lambda line: None, *, with_shops: bool = False) -> None:
        self.home = home
        self.services = Services(home, say)
        self.app: dict[str, Process] = {}
        self.shops: list[Shop] = []
        self._with_shops = with_shops
        self._say = say
        self._lock: int | None = None
        self._web_port: ports.HeldPort | None = None
        self._environment: dict[str, str] = {}
        self._signer_environment: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes except the signer, for running `swap-pay …` beside them."""
        return deployment.process_environment(self._environment)

    def start(self) -> Interface:
        """Start everything and write `sandbox.json`. If it raises ProcessError, nothing is left running."""
        self._lock = self.home.lock()
        if self._lock is None:
            raise ProcessError(
                f"a sandbox is already running in {self.home.directory} (process {self.home.owner()}): "
                "use that one, or stop it first, with Ctrl-C where it runs"
            )
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything. Requests and deliveries in progress are finished; chains and database are kept."""
        with in_parallel() as run:
            for process in self.app.values():
                run(process.stop)
            for shop in self.shops:
                run(shop.stop)
        self.app.clear()
        self.shops.clear()
        self.services.stop()
        if self._web_port is not None:
            self._web_port.release()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def start_app(self, name: str) -> None:
        """Start, or restart after its death, the web process or a worker, by its name in the Procfile."""
        if name in self.app:
            self.app[name].kill()
        own = self._signer_environment if name == "signer" else {}
        self.app[name] = processes.start(
            name,
            [sys.executable, "-m", "app.cli", *APP[name]],
            var_dir=self.home.logs,
            cwd=ROOT,
            env=self.environment | own,
            ready=self._web_answers if name == "web" else _is_under_way if name == "signer" else _has_started,
            ready_timeout_s=APP_READY_TIMEOUT_S,
            stop_timeout_s=APP_STOP_TIMEOUT_S,
        )

    def revive(self) -> list[str]:
        """Restart dead processes. Returns their names. Raises ProcessError if that fails, or if a chain died."""
        revived = self.services.revive()
        for name, process in list(self.app.items()):
            if process.returncode is not None:
                processes.persistently(lambda name=name: self.start_app(name))  # type: ignore[misc] # as below
                revived.append(name)
        for shop in self.shops:
            if shop.revive():
                self._say(f"The example {shop.kind.name} has died and is started again soon; its log is {shop.log}")
        return revived

    def _start(self) -> Interface:
        services = self.services
        self._say("Starting Postgres, Valkey, the chains and the webhook receiver …")
        secrets = services.start()
        self._web_port = ports.HeldPort(WEB_PORT)
        self._environment = deployment.environment(
            self.home,
            secrets,
            database_url=services.database_url,
            redis_url=services.valkey.url,
            web_port=self._web_port.number,
            ca_path=services.receiver.ca_path,
            rates=services.rates,
        )
        self._signer_environment = deployment.signer_environment(self.home, secrets.wallet_mnemonic)
        self._write_configuration(secrets.wallet_mnemonic)
        for chain in services.chains:
            chain.prepare(secrets.wallet_mnemonic)
        asyncio.run(migrate(services.database_url))
        webhook_url = services.receiver.url + WEBHOOK_PATH
        for kind in shops.present(self._say) if self._with_shops else ():
            self.shops.append(Shop(kind, self.home, tls.ensure(self.home.tls)))
        shop_urls = {shop.kind.name: shop.webhook_url for shop in self.shops}
        demo = asyncio.run(demo_data.ensure(self.home, self._environment, webhook_url, shop_urls))
        self._say("Starting the web process and the workers …")
        self._web_port.hand_over()
        with in_parallel() as run:
            for name in APP:
                if name != "signer":
                    run(lambda name=name: self.start_app(name))  # type: ignore[misc] # a lambda's default has no type
        self.start_app("signer")
        for shop in self.shops:
            shop.start(self._environment["PUBLIC_URL"], demo.api_key, demo.shops[shop.kind.name])
        interface = self._interface(secrets, demo, webhook_url)
        self.home.write(self.home.interface_file, interface)
        return interface

    def _write_configuration(self, wallet_mnemonic: str) -> None:
        chains = [*self.services.chains, *self.services.resting_chains]
        toml = deployment.networks_toml(chain.table(wallet_mnemonic) for chain in chains)
        self.home.write_text(self.home.networks_file, toml)
        self.home.write_text(self.home.environment_file, deployment.shell_lines(self._environment))

    def _interface(self, secrets: Secrets, demo: Demo, webhook_url: str) -> Interface:
        services = self.services
        return Interface(
            base_url=self._environment["PUBLIC_URL"],
            api_key=demo.api_key,
            merchant_id=demo.merchant_id,
            merchant_login=demo.merchant_login,
            operator_login=demo.operator_login,
            webhook_receiver=WebhookReceiver(
                url=webhook_url,
                ca_file=str(services.receiver.ca_path),
                requests_url=f"{services.receiver.url}/requests",
                endpoint_id=demo.endpoint_id,
                secret=demo.webhook_secret,
            ),
            networks=Networks(**{chain.name: chain.interface() for chain in services.chains}),  # type: ignore[arg-type]
            database_url=services.database_url,
            redis_url=services.valkey.url,
            metrics_token=secrets.metrics_token,
            shops=tuple(shop.interface(demo.shops[shop.kind.name]) for shop in self.shops),
        )

    def _web_answers(self, process: Process) -> bool:
        url = f"{self._environment['PUBLIC_URL']}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own loopback URL
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _has_started(process: Process) -> bool:
    return "worker_started" in process.log_tail()


def _is_under_way(process: Process) -> bool:
    """A first payment needs no signer, so the start does not wait for it; `revive` restarts it if it dies."""
    return process.returncode is None
