"""Names of browsers and operating systems, guessed from the user agent, which can be forged."""

_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
"""The first match counts: most browsers name those further down too."""


def browser_of(user_agent: str) -> str:
    """Such as "Firefox"; empty for an unknown one."""
    return next((name for mark, name in _BROWSERS if mark in user_agent), "")


def system_of(user_agent: str) -> str:
    """The operating system or the device, such as "Windows" or "iPhone"; empty for an unknown one."""
    return next((name for mark, name in _SYSTEMS if mark in user_agent), "")


def browser_name(user_agent: str) -> str:
    """Such as "Firefox on Windows"; an unknown user agent unchanged."""
    browser, system = browser_of(user_agent), system_of(user_agent)
    if browser and system:
        return f"{browser} on {system}"
    return user_agent or "Unknown browser"
