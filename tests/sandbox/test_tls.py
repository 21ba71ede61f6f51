import ssl
from datetime import timedelta
from pathlib import Path

from app.core import clock
from app.sandbox import tls


def test_certificates_are_reused_while_valid_for_a_week(tmp_path: Path) -> None:
    files = tls.ensure(tmp_path)
    first = files.cert_path.read_bytes()
    assert files.key_path.stat().st_mode & 0o777 == 0o600
    assert tls.ensure(tmp_path) == files
    assert files.cert_path.read_bytes() == first
    try:
        clock.shift(timedelta(days=82))
        tls.ensure(tmp_path)
        assert files.cert_path.read_bytes() == first
        clock.shift(timedelta(days=2))
        tls.ensure(tmp_path)
        assert files.cert_path.read_bytes() != first
        assert files.key_path.stat().st_mode & 0o777 == 0o600
    finally:
        clock.unshift()


def test_a_damaged_or_mixed_up_set_is_replaced(tmp_path: Path) -> None:
    files, other = tls.ensure(tmp_path / "one"), tls.ensure(tmp_path / "other")
    for path, content in (
        (files.key_path, b"torn"),
        (files.key_path, other.key_path.read_bytes()),
        (files.ca_path, other.ca_path.read_bytes()),
    ):
        path.write_bytes(content)
        tls.ensure(tmp_path / "one")
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files.cert_path, files.key_path)
        assert files.ca_path.read_bytes() != other.ca_path.read_bytes()
