"""From a request to the chain, with an operator in a real browser and a real signer: and a review that is credited."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import expect

from app.core.settings import Settings
from app.gateway import Gateway
from app.sandbox.chain_driver import AnvilDriver
