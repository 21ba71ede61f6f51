"""Checks of a deployment's settings and files. They connect to nothing."""

import ipaddress
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from app.core.settings import Settings
from app.doctor.symptoms import Severity, Symptom
from app.networks.config import NetworkConfig
from app.signer.keystore import PUBLISHED_XPUBS

WIDE_PREFIX_BITS = 8
"""A proxy range with a shorter prefix is too wide: any host in it can claim any client address."""


def examine(settings: Settings) -> Iterator[Symptom]:
    """Check the settings."""
    if not settings.is_production:
        yield Symptom("warning", "environment", f"SWAP_PAY_ENV is {settings.environment}: unsafe settings are allowed")
    if urlsplit(settings.public_url).scheme != "https":
        yield Symptom("unsafe", "public url", "PUBLIC_URL is http: payment links and cookies are not encrypted")
    if settings.webhook_allow_networks:
        listed = ", ".join(str(network) for network in settings.webhook_allow_networks)
        yield Symptom("unsafe", "webhooks", f"WEBHOOK_ALLOW_NETWORKS lets merchants reach {listed}: unset it")
    for proxy in settings.trusted_proxies:
        if proxy.prefixlen < WIDE_PREFIX_BITS:
            yield Symptom(
                "unsafe", "proxies", f"TRUSTED_PROXIES has {proxy}: any host in it can claim any client address"
            )
    yield from _keys(settings)
    yield from _alerts(settings)
    if settings.metrics_token is None:
        yield Symptom("warning", "metrics", "METRICS_TOKEN is not set: nobody can scrape /metrics")
    if settings.log_level == "DEBUG":
        yield Symptom("advice", "log", "LOG_LEVEL is DEBUG: the log contains more than an operator needs")


def examine_networks(settings: Settings, networks: Mapping[str, NetworkConfig]) -> Iterator[Symptom]:
    """Check the networks file: its mode and its networks."""
    yield from _file_mode("networks file", settings.networks_file)
    if not networks:
        yield Symptom("warning", "networks", "no network is configured: nothing can be paid")
    for network in networks.values():
        if any(network.is_account(xpub) for xpub in PUBLISHED_XPUBS):
            severity: Severity = "unsafe" if network.mode == "live" else "warning"
            yield Symptom(severity, network.key, "the xpub is that of a published test phrase: anybody can spend")
        for url in network.node_urls:
            parts = urlsplit(url.label)
            if network.mode == "live" and parts.scheme == "http" and not _is_private(parts.hostname or ""):
                yield Symptom(
                    "unsafe", network.key, f"{url.label} is not encrypted: the network in between can forge answers"
                )
        if network.mode == "live" and len(network.rpc_urls) == 1:
            yield Symptom("advice", network.key, "one node only: while it is down no payment is seen")
        yield from _sending(network)


def _sending(network: NetworkConfig) -> Iterator[Symptom]:
    if network.hot_wallet_address is None:
        yield Symptom("advice", network.key, "no hot_wallet_address: it only receives, and pays nothing out")
        return
    limit = f", and offers at most {network.fee_ceiling}" if network.fee_ceiling else ""
    yield Symptom("ok", network.key, f"pays from {network.hot_wallet_address}{limit}")
    for asset in network.assets:
        if asset.transaction_ceiling_raw is None or asset.day_ceiling_raw is None:
            severity: Severity = "unsafe" if network.mode == "live" else "warning"
            yield Symptom(
                severity,
                network.key,
                f"{asset.symbol} has no transaction_ceiling_raw or no day_ceiling_raw: the signer"
                + (" does not start" if network.mode == "live" else " has no limit of its own"),
            )


def _keys(settings: Settings) -> Iterator[Symptom]:
    used: defaultdict[bytes, list[str]] = defaultdict(list)
    for version, key in settings.api_key_peppers.keys.items():
        used[key].append(f"API_KEY_PEPPERS {version}")
    for key_id, key in settings.data_keys.keys.items():
        used[key].append(f"DATA_KEYS {key_id}")
    used[settings.link_secret].append("LINK_SECRET")
    used[settings.email_hash_secret].append("EMAIL_HASH_SECRET")
    if settings.checkpoint_keys is None:
        yield Symptom("warning", "checkpoints", "CHECKPOINT_KEY is not set: a rewritten ledger can't be detected")
    else:
        for key_id, key in settings.checkpoint_keys.seeds.items():
            used[key].append(f"CHECKPOINT_KEY {key_id}")
    for names in used.values():
        if len(names) > 1:
            yield Symptom("unsafe", "keys", f"{', '.join(names)} are the same: give each its own (new-secret)")
    if len(settings.data_keys.keys) > 1:
        old = ", ".join(list(settings.data_keys.keys)[1:])
        yield Symptom("advice", "keys", f"DATA_KEYS has older keys ({old}): rotate-data-key, then remove them")


def _alerts(settings: Settings) -> Iterator[Symptom]:
    if not settings.alert_mail_to and settings.alert_hook_url is None:
        yield Symptom("unsafe", "alerts", "neither ALERT_MAIL_TO nor ALERT_HOOK_URL is set: nobody receives alerts")
    if settings.mail_url is None:
        severity: Severity = "unsafe" if settings.alert_mail_to else "warning"
        yield Symptom(severity, "mail", "MAIL_URL is not set: emails are only logged")
    elif settings.mail_url.startswith("maildir:") and settings.is_production:
        yield Symptom("warning", "mail", "MAIL_URL is a folder on this host: emails are not sent")


def _file_mode(topic: str, path: Path) -> Iterator[Symptom]:
    mode = path.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Symptom("unsafe", topic, f"{path} can be written by others: chmod 600 (its addresses receive the money)")
    elif mode & stat.S_IROTH:
        yield Symptom("warning", topic, f"{path} can be read by all: node URLs may hold keys; chmod 600")
    folder = path.resolve().parent.stat().st_mode
    if folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
        yield Symptom("unsafe", topic, f"the folder of {path} can be written by all")


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".internal")
