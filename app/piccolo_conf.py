"""What Piccolo's own commands look for. The engine lives in `core.database`; migrations point it at a database."""

from piccolo.conf.apps import AppRegistry

from app.core.database import engine as DB

APP_REGISTRY = AppRegistry(apps=["app.piccolo_app"])

__all__ = ["APP_REGISTRY", "DB"]
