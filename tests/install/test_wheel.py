"""The wheel: the same from sources and from an sdist, complete, and enough to run the gateway without a checkout."""

import ast
import asyncio
import email
import email.policy
import os
import re
import signal
import ssl
import tarfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from html import unescape
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from jinja2 import Environment, meta

from app.core import resources
from app.documentation.library import Library
from app.sandbox import receiver, tls
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import TOKEN_ARTEFACT, AnvilDriver
from app.sandbox.home import ROOT
from app.sandbox.integrator import API
from app.sandbox.ports import free_port
from app.sandbox.postgres import Postgres
from app.signer.keystore import SpendingKeys
from app.web import languages
from tests.deploy import image
from tests.factories.deployment import environment_of
from tests.factories.networks import MNEMONIC, networks_toml
from tests.identity.browsing import Account, Browser
from tests.install.installed import PROCFILE, Deployment, TlsProxy, build
from tests.signer.processes import sealed_keys

T = TypeVar("T")
PASSWORD = "a rather long phrase 7"
PUBLIC_URL = "https://pay.example.test"
PATIENCE_S = 60
SCOPES = ("invoices.write", "balance.read", "webhooks.write")
LINKED = re.compile(r'(?:href|src)="(/static/[^"]+)"')

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist of the checkout."""
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the checkout."""
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile's build makes: a virtual environment with the wheel and the locked versions, and no more."""
    return image.build(tmp_path_factory.mktemp("production"), whole=bool(os.environ.get("SOAK")))


def test_an_sdist_gives_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    again = build(source, "wheel", tmp_path / "dist")
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_has_every_file_that_the_code_names(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert files_asked_for() - names == set()
    # And all other files of these folders, so that a new kind of file is included.
    for folder, inside in (
        (ROOT / "templates", "app/templates"),
        (ROOT / "static", "app/static"),
        (ROOT / "app", "app"),
    ):
        there = {f"{inside}/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file()}
        assert {name for name in there if "__pycache__" not in name} - names == set()
    pages = {os.path.normpath(f"app/docs/{entry.path}") for entry in Library().entries.values()}
    assert pages | {"app/docs/README.md"} <= names
    assert not [name for name in names if name.startswith(("tests/", "bench/", "docs/", "app/docs/pictures"))]


def files_asked_for() -> set[str]:
    """Each template, static file, catalogue, migration and data file that the sources name, as paths in the wheel."""
    strings = {
        node.value
        for path in (ROOT / "app").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    templates = {text for text in strings if re.fullmatch(r"[a-z_/]+\.html", text)} | {"errors/404.html"}
    static = {text for text in strings if re.fullmatch(r"(css|js|img|vendor)/\S+\.\w+", text)}
    parse = Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse
    for path in resources.TEMPLATES.rglob("*.html"):
        source = path.read_text()
        templates |= {name for name in meta.find_referenced_templates(parse(source)) if name is not None}
        static |= set(re.findall(r"static_url\(['\"]([^'\"]+)['\"]\)", source))
    for path in resources.STATIC.rglob("*.css"):
        for relative in re.findall(r"url\(['\"]?([^'\")?#]+\.\w+)", path.read_text()):
            static.add(str((path.parent / relative).resolve().relative_to(resources.STATIC)))
    locales = {language.code.replace("-", "_") for language in languages.every()} - {"en"}
    assert len(templates) > 100
    assert len(static) > 15
    assert len(locales) == 17
    return {
        *(f"app/templates/{name}" for name in templates),
        *(f"app/static/{name}" for name in static),
        *(f"app/locales/{code}/LC_MESSAGES/messages.po" for code in locales),
        *(f"piccolo_migrations/{path.name}" for path in resources.MIGRATIONS.glob("*.*")),
        f"app/{TOKEN_ARTEFACT.relative_to(resources.PACKAGE)}",
        "app/accounts/common_passwords.txt",
    }


def test_the_sandbox_names_a_missing_package_in_one_line(venv: Path, tmp_path: Path) -> None:
    done = Deployment(venv, tmp_path, {"WEB_PORT": "0"}).swap_pay("sandbox", "demo")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: the sandbox needs the development packages \(\w+ is missing\): .+\n", done.stderr)


@pytest.fixture
def deployment(venv: Path, postgres: Postgres, valkey_url: str, anvil: Anvil, token: str, tmp_path: Path) -> Deployment:
    """A deployment with production's settings on an empty database. Webhooks may go to this machine."""
    postgres.create_database("installed")
    settings = environment_of(postgres.dsn("installed"), valkey_url, tmp_path) | {
        "SWAP_PAY_ENV": "production",
        "PUBLIC_URL": PUBLIC_URL,
        "WEB_PORT": str(free_port()),
        "WEB_WORKERS": "1",
        "WEB_DRAIN_S": "1",
        "TRUSTED_PROXIES": "127.0.0.0/8",
        "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_CA_FILE": str(tls.ensure(tmp_path / "tls").ca_path),
        "MAIL_URL": f"maildir:{tmp_path / 'mail'}",
    }
    hot_wallet = SpendingKeys(MNEMONIC).hot_wallet_address
    Path(settings["NETWORKS_FILE"]).write_text(networks_toml(anvil.rpc_url, token, hot_wallet_address=hot_wallet))
    made = Deployment(venv, tmp_path, settings)
    signer = [f"{name}={value}\n" for name, value in sealed_keys(tmp_path, MNEMONIC).items()]
    (made.directory / "signer.env").write_text("".join(signer))
    return made


@pytest.fixture
async def visitor(deployment: Deployment) -> AsyncIterator[Callable[[], Awaitable[Browser]]]:
    """Opens browsers that reach the deployment by https, at its public address."""
    async with AsyncExitStack() as clients:

        async def make() -> Browser:
            proxy = TlsProxy(int(deployment.settings["WEB_PORT"]))
            client = httpx.AsyncClient(base_url=PUBLIC_URL, transport=proxy, timeout=20)
            return Browser(await clients.enter_async_context(client))

        yield make


@pytest.mark.usefixtures("steady_clock")
async def test_the_processes_of_the_procfile_take_a_payment(
    deployment: Deployment, visitor: Callable[[], Awaitable[Browser]], driver: AnvilDriver, token: str, tmp_path: Path
) -> None:
    # Given the commands of the README for an operator,
    migrated = deployment.swap_pay("migrate")
    assert "migrations applied now, 0 before." in migrated.stdout, migrated.stderr
    merchant_id = deployment.make("create-merchant", "--name", "Harbour & Pine")["id"]
    scopes = [option for scope in SCOPES for option in ("--scope", scope)]
    key = deployment.make("create-key", "--merchant", merchant_id, "--mode", "test", "--name", "Shop", *scopes)["key"]
    who = ("--email", "otto@example.test", "--name", "Otto Operator", "--password-stdin")
    operator = deployment.make("create-operator", *who, stdin=PASSWORD)
    with ExitStack() as running:
        hooks = receiver.start(tmp_path / "receiver", tls.ensure(tmp_path / "tls"))
        running.callback(hooks.stop)
        started = [deployment.start(name) for name in PROCFILE]
        for process in started:
            running.callback(process.stop)

        # when a shop creates an invoice and a customer pays it,
        shop = (await visitor()).client
        shop.headers["Authorization"] = f"Bearer {key}"
        await post(shop, "/webhooks", {"url": f"{hooks.url}/shop"})
        invoice = await post(shop, "/invoices", {"amount": "5.00", "currency": "USDT", "chain": "ethereum"})
        customer = await visitor()
        page = await customer.get(invoice["payment_url"].removeprefix(PUBLIC_URL))
        assert invoice["pay_in"]["address"] in page.text
        await driver.transfer_token(token, invoice["pay_in"]["address"], int(invoice["pay_in"]["amount_raw"]))
        await driver.mine(3)

        # then it is paid and booked, and the shop receives the webhook;
        await until("the payment", lambda: is_paid(shop, invoice["id"]))
        (balance,) = [
            each
            for each in (await shop.get(f"{API}/balance")).json()["data"]
            if int(each["available_raw"]) or int(each["pending_raw"])
        ]
        assert balance["available_raw"] == invoice["net_raw"]
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=hooks.ca_path), trust_env=False) as ask:
            await until("the webhook", lambda: was_told(ask, f"{hooks.url}/requests", "invoice.paid"))

        # and every page opens with all its files: the customer's in each language,
        path = invoice["payment_url"].removeprefix(PUBLIC_URL)
        for language in languages.every():
            assert f'<html lang="{language.code}"' in await check_page(customer, f"{path}?lang={language.code}")
        receipt = await customer.get(f"{path}/receipt")
        await check_page(customer, receipt.headers["location"])
        await check_page(customer, "/docs/api")
        await check_page(customer, "/docs/quickstart")
        # the merchant's, by an account whose letter the default worker has sent,
        mara = await visitor()
        sent = await mara.send("/sign-up", name="Mara Merchant", email="mara@example.test", password=PASSWORD)
        assert sent.headers.get("location") == "/sign-up/sent", (sent.status_code, sent.text)
        link = await until("the letter", lambda: mailed_path(tmp_path / "mail"))
        assert (await mara.send("/confirm-email", link, password=PASSWORD)).status_code == 303
        await deployment.add_member(merchant_id, "mara@example.test")
        for part in ("", "/invoices", f"/invoices/{invoice['id']}", "/balances", "/keys", "/webhooks", "/team"):
            await check_page(mara, f"/cabinet/{merchant_id}/test{part}")
        # and the operator's.
        otto = await visitor()
        await otto.sign_in(Account(operator["id"], operator["email"], PASSWORD, operator["totp_secret"]))
        for part in ("", "/approvals", "/reviews", f"/merchants/{merchant_id}", "/networks", "/audit"):
            await check_page(otto, f"/desk{part}")

        # The probe finds each of them at work, until SIGTERM ends it; nothing was written to the working directory.
        for process in started:
            probed = deployment.probe(process.name)
            assert (probed.returncode, probed.stderr) == (0, ""), process.name
            assert process.returncode is None, process.log_tail()
            await asyncio.to_thread(process.stop)
            assert process.returncode in (0, -signal.SIGTERM), (process.name, process.log_tail())
        assert "/healthz: " in deployment.probe("web").stderr
        assert [path.name for path in deployment.directory.iterdir()] == ["signer.env"]
    assert deployment.swap_pay("verify-ledger").returncode == 0


async def post(shop: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST to the API."""
    answer = await shop.post(API + path, json=body, headers={"Idempotency-Key": path})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def is_paid(shop: httpx.AsyncClient, invoice_id: str) -> bool:
    return bool((await shop.get(f"{API}/invoices/{invoice_id}")).json()["status"] == "paid")


async def was_told(ask: httpx.AsyncClient, url: str, event_type: str) -> bool:
    return event_type in {record["event_type"] for record in (await ask.get(url)).json()["data"]}


async def mailed_path(maildir: Path) -> str | None:
    """Wait for the only letter. Returns the path of its link."""
    for path in maildir.glob("new/*"):
        letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        (found,) = re.findall(rf"{re.escape(PUBLIC_URL)}(/\S+token=\S+)", letter.get_content())
        return str(found)
    return None


async def check_page(browser: Browser, path: str) -> str:
    """Open a page, and check that every static file that it names exists."""
    page = await browser.get(path)
    assert page.status_code == 200, (path, page.status_code, page.text[:500])
    linked = set(LINKED.findall(page.text))
    assert linked, path
    for file in linked:
        assert (await browser.get(unescape(file))).status_code == 200, (path, file)
    return page.text


async def until(what: str, look: Callable[[], Awaitable[T]]) -> T:
    """Poll `look` until it returns a result."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await look()):
            await asyncio.sleep(0.2)
    return found
