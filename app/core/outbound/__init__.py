"""Requests to servers of others: which targets are allowed, and the client that connects to nothing else."""

from app.core.outbound.client import OutboundClient, build_ssl_context
from app.core.outbound.outcome import ErrorClass, Outcome
from app.core.outbound.targets import Refusal, Target, TargetRefused, address_refusal, parse_target

__all__ = [
    "ErrorClass",
    "OutboundClient",
    "Outcome",
    "Refusal",
    "Target",
    "TargetRefused",
    "address_refusal",
    "build_ssl_context",
    "parse_target",
]
