"""`swap-pay check-integration`: a developer's server on this machine is checked, and told what to do."""

from click.testing import CliRunner

from app.cli.check_integration import check_integration
from app.webhooks import check_words, signing
from tests.cli.local_server import LocalServer, local_server
from tests.webhooks.shop import GoodShop, Judge, PettyShop, careless


def checked(server: LocalServer, secret: str, judge: Judge, gateway: str = "") -> tuple[int, str]:
    """The exit status and the output of a check."""
    server.answer = lambda request: (judge(request), {}, b"")
    env = {"SWAP_PAY_WEBHOOK_SECRET": secret, "SWAP_PAY_URL": gateway}
    done = CliRunner(env=env).invoke(check_integration, [server.url])
    return done.exit_code, done.output


def test_what_a_server_does_right_and_wrong_is_said_with_a_remedy() -> None:
    secret = signing.new_secret()
    with local_server() as server:
        status, output = checked(server, secret, GoodShop(secret))
        assert status == 0, output
        assert output.count("✓") == len(check_words.CHECKS)
        assert "14 of 14 checks passed." in output
        assert "what to do" not in output

        status, output = checked(server, secret, careless)
        assert status == 1
        assert "✗ A forged signature" in output
        assert f"sent: {check_words.CHECKS['wrong_secret'].sent}" in output
        assert f"what to do: {check_words.CHECKS['wrong_secret'].remedy} (docs/webhooks.md#verifying)" in output
        assert "4 failed and need to be fixed" in output

        status, output = checked(server, secret, PettyShop(secret), "https://pay.example.com/")
        assert status == 1
        assert "(https://pay.example.com/docs/webhooks#verifying)" in output
        assert "! No signature" in output
        assert check_words.NO_REFUSAL in output
        url = server.url

    gone = CliRunner(env={"SWAP_PAY_WEBHOOK_SECRET": secret}).invoke(check_integration, [url])
    assert gone.exit_code == 1
    assert "✗ A signed event                 No answer: nothing listens there" in gone.output
    assert "nothing else was sent" in gone.output
    for arguments, words in (
        (["http://shop.example/"], "use https, or add --allow-http"),
        ([url, "--secret", "whsec_"], "the secret must be whsec_"),
        ([url], "set SWAP_PAY_WEBHOOK_SECRET"),
    ):
        refused = CliRunner().invoke(check_integration, arguments)
        assert refused.exit_code in (1, 2)
        assert words in refused.output
