"""The plug-in's rules in PHP, with doubles of WordPress and WooCommerce: see tests/woocommerce/units."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.woocommerce.php import CURRENT, HERE, OLDEST, PLUGIN, finished, script, start

GERMAN = "swap-pay-for-woocommerce/languages/swap-pay-for-woocommerce-de_DE.mo"

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


def test_the_checkout_block_registers_the_payment_method() -> None:
    data = {"title": "Tea &amp; coins", "description": "Test mode", "button": "Pay", "supports": ["products"]}
    command = [*script("block.mjs"), f"{PLUGIN}/assets/blocks.js", json.dumps(data)]
    method = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert (method["name"], method["ariaLabel"], method["placeOrderButtonLabel"]) == ("swap_pay", "Tea & coins", "Pay")
    assert method["label"]["children"] == ["Tea & coins"]
    assert method["content"]["children"] == method["edit"]["children"] == ["Test mode"]
    assert (method["supports"], method["may"], method["count"]) == ({"features": ["products"]}, True, 1)


def test_sentences_and_catalogues_are_in_step() -> None:
    """`make woocommerce` brings them in step, and prints what has no translation."""
    checked = subprocess.run([sys.executable, f"{PLUGIN.parent}/words.py", "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    assert len(list((PLUGIN / "languages").glob("*.po"))) == 3


def test_the_zip_has_what_wordpress_needs_and_nothing_else(tmp_path: Path) -> None:
    packs = [sys.executable, f"{PLUGIN.parent}/pack.py"]
    printed = [subprocess.run([*packs, tmp_path / name], check=True, capture_output=True).stdout for name in "ab"]
    first, second = (Path(each.decode().strip()) for each in printed)
    assert first.read_bytes() == second.read_bytes()
    assert first.name == "swap-pay-for-woocommerce.1.0.0.zip"
    with zipfile.ZipFile(first) as packed:
        names = set(packed.namelist())
        german = packed.read(GERMAN).decode(errors="ignore")
    assert "Geheimer Schlüssel" in german
    assert {name.split("/")[0] for name in names} == {"swap-pay-for-woocommerce"}
    assert {name.rsplit(".", 1)[1] for name in names} == {"php", "js", "css", "txt", "pot", "po", "mo"}
    assert {f"swap-pay-for-woocommerce/{path.relative_to(PLUGIN).as_posix()}" for path in PLUGIN.rglob("*.php")} < names
