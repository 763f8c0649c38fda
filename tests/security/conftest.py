"""What attackers attack: the site of the web tests, on one database or on both."""

from tests.web.conftest import site, small_site

__all__ = ["site", "small_site"]
