import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.sandbox import receiver, tls
from app.sandbox.receiver import Receiver
from app.sandbox.tls import Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return tls.ensure(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Receiver]:
    server = receiver.start(tmp_path_factory.mktemp("receiver"), certificates)
    yield server
    server.stop()


@pytest.fixture
def client(running: Receiver) -> Iterator[httpx.Client]:
    with client_of(running) as client:
        client.delete("/requests")
        client.delete("/behaviour")
        yield client


def client_of(server: Receiver) -> httpx.Client:
    trusted = ssl.create_default_context(cafile=server.ca_path)
    return httpx.Client(base_url=server.url, verify=trusted, trust_env=False, timeout=5)


def behave(client: httpx.Client, **behaviour: object) -> None:
    client.post("/behaviour", json=behaviour).raise_for_status()


def test_it_records_requests_and_its_answers(client: httpx.Client) -> None:
    began_at = time.time()
    client.post("/a?x=1", content="{“ü”}", headers={"Swap-Pay-Event-Type": "invoice.paid"})
    client.post("/b", content=b"\xff\x00")
    behave(client, path="/b", status=410)
    assert client.post("/b").status_code == 410
    assert client.put("/b").status_code == 405

    answer = client.get("/requests").json()
    first, second, third = answer["data"]
    assert answer["total"] == 3
    assert (first["path"], first["event_type"], first["verdict"]) == ("/a", "invoice.paid", "accepted")
    assert first["body"] == "{“ü”}"
    assert first["headers"]["swap-pay-event-type"] == "invoice.paid"
    assert began_at <= first["received_at"] <= time.time()
    assert (second["body"], second["body_base64"]) == (None, "/wA=")
    assert (third["status"], third["verdict"]) == (410, "refused")


def test_records_can_be_filtered_and_cleared(client: httpx.Client) -> None:
    for path, event in (("/a", "invoice.paid"), ("/a", "payout.failed"), ("/b", "invoice.paid")):
        client.post(path, headers={"Swap-Pay-Event-Type": event})
    assert client.get("/requests?path=/a").json()["total"] == 2
    assert client.get("/requests?path=/a&event_type=invoice.paid").json()["total"] == 1
    newest = client.get("/requests?limit=1").json()
    assert (newest["total"], [record["path"] for record in newest["data"]]) == (3, ["/b"])
    assert client.get("/requests?typo=1").status_code == 400
    client.delete("/requests")
    assert client.get("/requests").json() == {"total": 0, "data": []}


def test_it_misbehaves_as_configured_for_a_path(client: httpx.Client) -> None:
    behave(client, status=503, times=2)
    behave(client, path="/moved", status=302, headers={"Location": "https://localhost/"})
    behave(client, path="/big", body_bytes=100_000)
    behave(client, path="/gone", status=0)
    assert [client.post("/hook").status_code for _ in range(3)] == [503, 503, 200]
    assert client.post("/moved").headers["location"] == "https://localhost/"
    assert len(client.post("/big").content) == 100_000
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/gone")
    assert client.get("/requests?path=/gone").json()["data"][0]["verdict"] == "hung up"
    assert client.post("/behaviour", json={"status": "teapot"}).status_code == 400


def test_it_can_be_slow_before_the_answer_and_within_it(client: httpx.Client) -> None:
    behave(client, path="/late", delay_s=0.3)
    behave(client, path="/drip", drip_s=0.005)
    for path in ("/late", "/drip"):
        began_s = time.monotonic()
        assert client.post(path).status_code == 200
        assert 0.3 <= time.monotonic() - began_s < 3
    took_s = []
    for _ in range(5):  # of which one may be late on a busy machine
        began_s = time.monotonic()
        assert client.post("/hook").status_code == 200
        took_s.append(time.monotonic() - began_s)
    assert min(took_s) < 0.3


def test_the_same_seed_fails_the_same_requests(tmp_path: Path, certificates: Certificates) -> None:
    runs = []
    for seed in (7, 7, 8):
        server = receiver.start(tmp_path, certificates, fail_rate=0.3, seed=seed)
        with client_of(server) as client:
            runs.append([client.post("/hook").status_code for _ in range(100)])
        server.stop()
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {200, 500}
    assert 15 <= runs[0].count(500) <= 45


def test_kept_records_survive_a_kill_even_with_a_torn_last_line(tmp_path: Path, certificates: Certificates) -> None:
    server = receiver.start(tmp_path, certificates, keep_records=True)
    with client_of(server) as client:
        client.post("/a", content="one")
    server.kill()
    with (tmp_path / "requests.jsonl").open("a") as store:
        store.write('{"received_at": 17')
    again = receiver.start(tmp_path, certificates, keep_records=True)
    with client_of(again) as client:
        client.post("/a", content="two")
    again.kill()
    third = receiver.start(tmp_path, certificates, keep_records=True)
    with client_of(third) as client:
        assert [record["body"] for record in client.get("/requests").json()["data"]] == ["one", "two"]
    third.stop()


def test_clients_without_the_authority_do_not_trust_the_certificate(running: Receiver) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{running.url}/requests", trust_env=False)


def test_the_certificate_names_the_address_too(running: Receiver) -> None:
    trusted = ssl.create_default_context(cafile=running.ca_path)
    trusted.verify_flags |= ssl.VERIFY_X509_STRICT
    answer = httpx.get(f"https://127.0.0.1:{running.port}/requests", verify=trusted, trust_env=False)
    assert answer.status_code == 200
