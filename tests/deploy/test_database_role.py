"""docs/deploy/postgres: the role of all processes, by the files as compose.yaml and Kubernetes run them."""

import os
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from app.core import clock, database
from app.doctor import postgres as doctor
from app.sandbox.home import ROOT
from app.sandbox.postgres import Postgres
from app.webhooks import attempts_by_month
from app.wiring import Services
from tests.deploy.files import DEPLOY
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

FILES = DEPLOY / "postgres"
PASSWORD = "with 'quotes' and \\ backslashes"


def psql(postgres: Postgres, url: str, file: Path, **environment: str) -> None:
    """Run a file as the two ways do."""
    done = subprocess.run(
        [postgres.psql, "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(file), url],
        env={"PATH": os.defpath, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_page_and_the_file_grant_the_same() -> None:
    page = (ROOT / "docs/operations.md").read_text().partition("## The database role")[2].partition("\n## ")[0]
    granted = re.findall(r"^ {4}(?:GRANT|REVOKE)[^;]*;", page, re.MULTILINE)
    file = re.findall(r"^(?:GRANT|REVOKE)[^;]*;", (FILES / "grants.sql").read_text(), re.MULTILINE)
    assert len(file) == 4
    assert [" ".join(line.split()) for line in granted] == [" ".join(line.split()) for line in file]


async def test_the_role_works_and_can_t_touch_what_is_kept(postgres: Postgres, services: Services) -> None:
    owner = services.settings.database_url
    merchant = await terms(service_fee_bps=80)
    admin = await asyncpg.connect(owner)
    psql(postgres, owner, FILES / "role.sql", SWAP_PAY_APP_PASSWORD=PASSWORD)
    try:
        psql(postgres, owner, FILES / "grants.sql")
        psql(postgres, owner, FILES / "grants.sql")  # as after the next migration
        await database.close_pool()
        server = re.sub(r"//[^@]*@", "//", owner)
        role = server.replace("//", "//swap_pay_app:with%20%27quotes%27%20and%20%5C%20backslashes@")
        await database.open_pool(role, max_size=3)
        try:
            assert (await invoice(services, merchant)).status == "awaiting_deposit"
            found = [symptom async for symptom in doctor.examine(production=False)]
            assert [one.severity for one in found if one.topic == "role"] == ["ok"]
            assert not [one for one in found if one.severity == "unsafe" and one.topic != "durability"]
            # It owns no table, and still the months of attempts are made and dropped.
            assert await attempts_by_month.keep(clock.now() + timedelta(days=93)) == 3
            assert await attempts_by_month.drop_old(clock.now(), 56) == 1
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.execute("DROP TABLE webhook_attempts_rest")
            for table in ("audit_entries", "ledger_entries", "case_notes"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await database.execute(f"DELETE FROM {table}")
        finally:
            await database.close_pool()
    finally:
        await database.open_pool(owner, max_size=3)
        await admin.execute("DROP OWNED BY swap_pay_app")
        await admin.execute("DROP ROLE swap_pay_app")
        await admin.close()
