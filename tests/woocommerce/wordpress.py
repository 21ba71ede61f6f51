"""A real WordPress with the packed plug-in, from npm: MySQL's place is taken by SQLite, WooCommerce's by its double."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.woocommerce.php import HERE, OLDEST, REPOSITORY, finished, start

BUILDS = HERE / "wordpress/node_modules/@wp-playground/wordpress-builds/src"
INSTALLER = "make tests/woocommerce/wordpress/node_modules/.stamp"

CONFIG = """<?php
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', '' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', '' );
define( 'DB_CHARSET', 'utf8' );
define( 'DB_COLLATE', '' );
define( 'AUTH_KEY', 'a' );
define( 'SECURE_AUTH_KEY', 'b' );
define( 'LOGGED_IN_KEY', 'c' );
define( 'NONCE_KEY', 'd' );
define( 'AUTH_SALT', 'e' );
define( 'SECURE_AUTH_SALT', 'f' );
define( 'LOGGED_IN_SALT', 'g' );
define( 'NONCE_SALT', 'h' );
define( 'WP_HOME', isset( $_SERVER['SHOP_URL'] ) ? $_SERVER['SHOP_URL'] : 'https://shop.example' );
define( 'WP_SITEURL', WP_HOME );
define( 'DISABLE_WP_CRON', true );
define( 'WP_DEBUG', true );
define( 'WP_DEBUG_DISPLAY', false );
define( 'WP_DEBUG_LOG', __DIR__ . '/debug.log' );
define( 'WP_HTTP_BLOCK_EXTERNAL', false );
$_SERVER['HTTPS'] = 'on';
$table_prefix = 'wp_';
defined( 'ABSPATH' ) || define( 'ABSPATH', __DIR__ . '/' );
require_once ABSPATH . 'wp-settings.php';
"""


class WordPress:
    """Its folder. It is new and has no plug-in of ours yet."""

    def __init__(self, folder: Path) -> None:
        assert BUILDS.is_dir(), f"WordPress for this test is missing; this line installs it: {INSTALLER}"
        self.folder = folder / "wordpress"
        with zipfile.ZipFile(BUILDS / "wordpress/wp-6.5.zip") as packed:
            packed.extractall(self.folder)
        self.plugins = self.folder / "wp-content/plugins"
        with zipfile.ZipFile(BUILDS / "sqlite-database-integration/sqlite-database-integration.zip") as packed:
            packed.extractall(self.plugins)
        sqlite = self.plugins / "sqlite-database-integration"
        (self.plugins / "sqlite-database-integration-main").rename(sqlite)
        drop_in = (sqlite / "db.copy").read_text()
        for placeholder, value in (
            ("{SQLITE_IMPLEMENTATION_FOLDER_PATH}", str(sqlite)),
            ("{SQLITE_PLUGIN}", "sqlite-database-integration/load.php"),
        ):
            drop_in = drop_in.replace(placeholder, value)
        (self.folder / "wp-content/db.php").write_text(drop_in)
        (self.folder / "wp-config.php").write_text(CONFIG)

    def install_plugin(self) -> None:
        """Pack the plug-in and unpack it, as WordPress does with an uploaded zip."""
        packer = [sys.executable, str(REPOSITORY / "clients/woocommerce/pack.py"), str(self.folder)]
        packed = subprocess.run(packer, check=True, capture_output=True, text=True).stdout.strip()
        with zipfile.ZipFile(packed) as zipped:
            zipped.extractall(self.plugins)

    def install_woocommerce(self) -> None:
        """Put the double of WooCommerce beside it."""
        target = self.plugins / "woocommerce"
        target.mkdir()
        shutil.copy(HERE / "fakes/woocommerce-plugin.php", target / "woocommerce.php")
        shutil.copy(HERE / "fakes/woocommerce.php", target / "woocommerce-classes.php")
        shutil.copy(HERE / "fakes/requests.php", target / "requests.php")

    def run(self, code: str) -> str:
        """Run PHP inside WordPress's administration, as the administrator. Returns what it prints."""
        script = self.folder / "run.php"
        beginning = (
            "<?php define( 'WP_ADMIN', true ); require __DIR__ . '/wp-load.php'; "
            "require_once ABSPATH . 'wp-admin/includes/admin.php'; wp_set_current_user( 1 );\n"
        )
        script.write_text(beginning + code)
        exit_code, printed = finished(start(OLDEST, "run", str(script), "HTTP_HOST=shop.example"))
        script.unlink()
        assert exit_code == 0, printed
        return printed

    def speak(self, locale: str) -> None:
        """Change the site's language. Its setting takes only languages whose own packs are installed."""
        must_use = self.folder / "wp-content/mu-plugins"
        must_use.mkdir(exist_ok=True)
        source = f"<?php add_filter( 'locale', static function () {{ return '{locale}'; }} );"
        (must_use / "language.php").write_text(source)

    def complaints(self) -> list[str]:
        """What PHP has complained about in our files."""
        log = self.folder / "debug.log"
        lines = log.read_text().splitlines() if log.is_file() else []
        return [line for line in lines if "swap-pay" in line or "Fatal" in line]
