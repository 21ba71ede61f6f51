from pathlib import Path

import pytest
import redis

from app.sandbox import ports
from tests.services import start_valkey_for_tests


def test_it_starts_restarts_and_comes_back_after_a_kill(tmp_path: Path) -> None:
    with start_valkey_for_tests(tmp_path) as server:
        url = server.url
        client = redis.Redis.from_url(url)
        assert client.set("a", "b")
        server.restart()
        assert server.url == url
        assert client.get("a") is None
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.restart()
        assert client.ping()
        assert client.config_get("appendonly") == {"appendonly": "no"}
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.port).ping()
    assert ports.is_free(server.port)
