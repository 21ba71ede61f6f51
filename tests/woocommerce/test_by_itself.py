"""The plug-in's rules in PHP, with doubles of WordPress and WooCommerce: see tests/woocommerce/units."""

import re

from tests.woocommerce.php import CURRENT, HERE, OLDEST, PLUGIN, finished, start

FEWEST_TESTS = 40
"""So that a run that ends early is not taken for a good one."""


def test_the_units_on_the_oldest_and_on_a_current_php() -> None:
    running = [start(version, "run", f"{HERE}/units/run.php", f"PLUGIN={PLUGIN}") for version in (OLDEST, CURRENT)]
    for version, (code, printed) in zip((OLDEST, CURRENT), [finished(process) for process in running], strict=True):
        assert code == 0, printed
        assert f"PHP {version}" in printed, printed
        assert printed.count("\nok test_") + printed.startswith("ok test_") >= FEWEST_TESTS, printed
        assert "not ok" not in printed


def test_every_file_is_good_php() -> None:
    files = sorted(str(path) for path in [*PLUGIN.rglob("*.php"), *(HERE / "fakes").glob("*.php")])
    code, printed = finished(start(CURRENT, "lint", *files))
    assert code == 0, printed
    assert printed.count("No syntax errors detected") == len(files) > 20


def test_every_file_follows_wordpresss_rules_that_a_search_can_see() -> None:
    """No file does anything when it is opened by itself; every sentence is of our text domain; nothing unsafe."""
    for path in PLUGIN.rglob("*.php"):
        source = path.read_text()
        guard = "WP_UNINSTALL_PLUGIN" if path.name == "uninstall.php" else "ABSPATH"
        assert f"defined( '{guard}' ) || exit;" in source, path
        for name, arguments in re.findall(r"\b(__|_e|esc_html__|esc_attr__|_n|_x)\( (.*)", source):
            assert "'swap-pay-for-woocommerce' )" in arguments, f"{path}: {name}( {arguments}"
        for word in ("eval(", "unserialize(", "extract(", "get_post_meta", "update_post_meta", "curl_", "var_dump"):
            assert word not in source, f"{path}: {word}"
        assert "sslverify" not in source, path
