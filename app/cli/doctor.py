"""`swap-pay doctor`: check a deployment, and name what is unsafe."""

import asyncio
import sys

import click

from app.cli.environment import settings as load_settings
from app.core import connecting, database, logging, redis
from app.core.settings import Settings
from app.doctor import approvals, configuration, postgres, reachability, standbys, valkey
from app.doctor.symptoms import ORDER, Symptom, exit_code
from app.networks.networks_file import ConfigError, load_networks
from app.networks.registry import Networks


@click.command()
@click.option("--quiet", is_flag=True, help="Only what is wrong.")
def doctor(quiet: bool) -> None:
    """Check this deployment. Exits with 2 if something is unsafe, 1 for warnings, else 0.

    Reads only: settings, files, Postgres, Redis, the nodes. Run it after each change, and from cron.
    """
    settings = load_settings()
    logging.configure(level="CRITICAL", json=settings.log_format == "json")
    symptoms = sorted(asyncio.run(examine(settings)), key=lambda symptom: ORDER.index(symptom.severity))
    for symptom in symptoms:
        if not quiet or symptom.severity != "ok":
            click.echo(f"{symptom.severity:8} {symptom.topic}: {symptom.message}")
    sys.exit(exit_code(symptoms))


async def examine(settings: Settings) -> list[Symptom]:
    """Check everything that can be checked; what can't be reached is a symptom too."""
    symptoms = list(configuration.examine(settings))
    try:
        configs = load_networks(settings.networks_file)
    except ConfigError as error:
        return [*symptoms, Symptom("unsafe", "networks file", str(error))]
    symptoms += configuration.examine_networks(settings, configs)
    networks = Networks(configs)
    redis.open_client(settings.redis_url)
    try:
        symptoms += [symptom async for symptom in valkey.examine(settings.redis_url)]
        await database.open_pool(settings.database_url, max_size=2)
        symptoms += [symptom async for symptom in postgres.examine(production=settings.is_production)]
        symptoms += [symptom async for symptom in standbys.examine(settings)]
        symptoms += [symptom async for symptom in approvals.examine(production=settings.is_production)]
        symptoms += [symptom async for symptom in reachability.examine_networks(networks)]
        symptoms += [symptom async for symptom in reachability.examine_watch(settings)]
        symptoms += [symptom async for symptom in reachability.examine_rates(settings)]
    except connecting.NoWrites:
        symptoms.append(Symptom("unsafe", "postgres", "DATABASE_URL leads to a read-only server: name the primary"))
    except database.Unavailable as error:
        symptoms.append(Symptom("unsafe", "postgres", f"can't be examined further: {type(error).__name__}: {error}"))
    finally:
        await networks.aclose()
        await redis.close_client()
        await database.close_pool()
    return symptoms
