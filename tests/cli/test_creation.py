"""`swap-pay create-…` and `swap-pay migrate` in scripts: no terminal, exit codes, JSON."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import asyncpg
import pyotp
import pytest
from click.testing import CliRunner, Result

from app.accounts import operators
from app.cli.main import main
from app.core import database
from app.sandbox.postgres import Postgres

PASSWORD = "a rather long phrase 7"
OPERATOR = ("create-operator", "--email", "otto@example.test", "--name", "Otto Operator")

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Run a command whose standard input is no terminal."""

    async def invoke(*arguments: str, stdin: str = "", **env: str) -> Result:
        runner = CliRunner(env=environment | env)
        return await asyncio.to_thread(runner.invoke, main, arguments, input=stdin)

    return invoke


async def test_an_operator_is_made_without_a_terminal(run: Run, database_url: str) -> None:
    done = await run(*OPERATOR, "--password-stdin", "--json", stdin=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert made.keys() == {"id", "email", "totp_secret", "totp_uri"}
    assert pyotp.parse_uri(made["totp_uri"]).secret == made["totp_secret"]
    await database.open_pool(database_url, max_size=1)
    try:
        assert await operators.identify("otto@example.test", PASSWORD) == made["id"]
    finally:
        await database.close_pool()


async def test_an_existing_operator_has_an_exit_code_of_its_own(run: Run) -> None:
    assert (await run(*OPERATOR, "--password-stdin", stdin=PASSWORD)).exit_code == 0
    again = await run(*OPERATOR, "--password-stdin", "--json", stdin="another long phrase 8")
    assert (again.exit_code, again.stdout) == (3, "")
    assert again.stderr == "Error: email: has an account already\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "words"),
    [
        ((), "", 2, "give --password-stdin or --link"),
        (("--password-stdin", "--link"), PASSWORD, 2, "give one of"),
        (("--password-stdin",), "", 1, "8 to 128 characters"),
        (("--password-stdin",), "password", 1, "among the first"),
        (("--password-stdin",), "otto@example.test", 1, "among the first"),
    ],
)
async def test_a_bad_password_creates_no_operator(
    run: Run, database_url: str, arguments: tuple[str, ...], stdin: str, status: int, words: str
) -> None:
    refused = await run(*OPERATOR, *arguments, stdin=stdin)
    assert (refused.exit_code, words in refused.stderr) == (status, True), refused.output
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM accounts") == 0
    await connection.close()


async def test_a_merchant_and_a_key_are_made_as_json(run: Run, database_url: str) -> None:
    merchant = json.loads((await run("create-merchant", "--name", "Harbour & Pine", "--json")).stdout)
    assert merchant.keys() == {"id"}
    key = ("create-key", "--mode", "test", "--name", "Shop", "--scope", "invoices.write", "--json", "--merchant")
    made = json.loads((await run(*key, merchant["id"])).stdout)
    assert made["key"].startswith(f"sspay_sec_test_{made['id']}_")
    refused = await run(*key, "MCH-0000000000")
    assert (refused.exit_code, refused.stderr) == (1, "Error: merchant_id: is no merchant's\n")


async def test_migrate_prints_what_it_applied(postgres: Postgres, run: Run) -> None:
    postgres.create_database("to_migrate")
    url = postgres.dsn("to_migrate")
    before = await run("create-merchant", "--name", "Too early", DATABASE_URL=url)
    assert (before.exit_code, "run swap-pay migrate" in before.stderr) == (1, True), before.output
    first = await run("migrate", DATABASE_URL=url)
    *applied, summary = first.stdout.splitlines()
    assert first.exit_code == 0, first.output
    assert applied[0] == "applied swap_pay_2026_11_28t11_21_00_000000"
    assert summary == f"The schema is up to date: {len(applied)} migrations applied now, 0 before."
    again = await run("migrate", DATABASE_URL=url)
    assert again.stdout == f"The schema is up to date: {len(applied)} migrations, none to apply.\n"


async def test_an_unreachable_database_is_reported_in_one_line(postgres: Postgres, run: Run) -> None:
    for command in (("migrate",), ("create-merchant", "--name", "Nowhere")):
        done = await run(*command, DATABASE_URL=postgres.dsn("nowhere"))
        assert (done.exit_code, done.stderr) == (1, 'Error: database "nowhere" does not exist\n')
