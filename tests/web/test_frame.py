"""The frame's pages: who sees what, and that nothing in it needs an inline style or script."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import Client

from apps.web import npm
from apps.web.templatetags.web import icon, icon_drawing
from tests.web.support import make_account, make_member

ROOT = Path(__file__).resolve().parents[2]
VAULT = "/settings/vault/"


@pytest.fixture
def member(db: Any) -> Any:
    return make_member(roles=("trader", "vault-admin"))


@pytest.fixture
def browser(member: Any) -> Client:
    client = Client()
    client.force_login(member.user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_probe_answers_anybody_and_says_nothing():
    answer = Client().get("/healthz")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_a_stranger_is_sent_to_the_sign_in_page():
    answer = Client().get("/")

    assert answer.status_code == 302
    assert answer.url.startswith("/accounts/login/")


def test_the_desk_opens_on_the_overview(browser: Client):
    assert browser.get("/").url == "/overview/"


@pytest.mark.django_db
def test_the_sign_in_page_says_where_the_demo_logins_are_only_in_demo_mode(settings: Any):
    settings.DESK_MODE = "demo"
    settings.DATA_DIR = settings.BASE_DIR / "var"
    assert b"var/demo-logins.json" in Client().get("/accounts/login/").content

    settings.DATA_DIR = Path("/elsewhere/data")  # a stranger is not told where
    page = Client().get("/accounts/login/").content
    assert b"$DESK_DATA/demo-logins.json" in page
    assert b"/elsewhere" not in page

    settings.DESK_MODE = "team"
    assert b"demo-logins" not in Client().get("/accounts/login/").content


@pytest.mark.parametrize("environment", ["paper", "demo", "production"])
def test_the_environment_is_on_the_page_itself(browser: Client, environment: str):
    make_account(environment=environment)

    page = browser.get(VAULT).content.decode()

    assert f'data-env="{environment}"' in page
    assert f"badge--{environment}" in page


def test_values_that_are_not_known_are_a_dash_with_a_reason(browser: Client):
    make_account()

    page = browser.get(VAULT).content.decode()

    for name in ("cash", "portfolio_value"):
        figure = re.search(rf'data-figure="{name}" data-tip="([^"]+)".*?data-text>([^<]*)<', page, re.DOTALL)
        assert figure is not None
        assert figure[1].endswith("not reported yet.")
        assert figure[2] == "-"


def test_the_rail_links_only_what_exists_and_may_be_opened(browser: Client, member: Any):
    links = re.findall(r'class="rail__item" href="([^"]+)"', browser.get(VAULT).content.decode())
    assert VAULT in links
    for link in links:
        assert browser.get(link).status_code == 200, link

    member.roles = ["viewer"]
    member.save()
    page = browser.get("/settings/preferences/").content.decode()
    assert VAULT not in re.findall(r'class="rail__item" href="([^"]+)"', page)


def test_the_theme_comes_from_the_person_until_this_browser_chose(browser: Client, member: Any):
    member.user.theme = "light"
    member.user.save()
    assert 'data-theme="light"' in browser.get(VAULT).content.decode()

    browser.cookies["desk-theme"] = "dark"
    assert 'data-theme="dark"' in browser.get(VAULT).content.decode()

    browser.cookies["desk-theme"] = '"><script>'
    assert 'data-theme="light"' in browser.get(VAULT).content.decode()


@pytest.mark.parametrize("url", [VAULT, "/accounts/login/", "/no/such/page/"])
def test_pages_keep_to_the_policy(browser: Client, url: str):
    make_account()
    client = Client() if "login" in url else browser

    answer = client.get(url)
    page = answer.content.decode()

    assert "unsafe" not in answer["Content-Security-Policy"]
    assert not re.search(r"<[^>]+\sstyle=", page)
    assert not re.search(r"<style", page)
    assert not re.search(r"<[^>]+\son[a-z]+=", page)
    for script in re.findall(r"<script[^>]*>", page):
        assert " src=" in script or 'type="application/json"' in script, script


def test_what_was_not_found_or_not_allowed_has_a_page_in_words(browser: Client, member: Any):
    assert b"no such page" in browser.get("/no/such/page/").content

    member.roles = ["viewer"]
    member.save()
    answer = browser.get(VAULT)
    assert answer.status_code == 403
    assert b"Ask an admin" in answer.content


# --- icons and npm files -----------------------------------------------------------------------
def test_an_icon_is_silent_unless_it_is_labelled():
    assert 'aria-hidden="true"' in icon("search")
    assert 'role="img" aria-label="a &lt;b&gt;"' in icon("search", label="a <b>")


@pytest.mark.parametrize("name", ["no-such-icon", "../package", "Search", ""])
def test_an_icon_that_does_not_exist_is_an_error(name: str):
    with pytest.raises(ImproperlyConfigured):
        icon_drawing(name)


def test_only_the_allow_list_of_node_modules_is_served():
    finder = npm.NodeModulesFinder()

    assert {name for name, _ in finder.list(None)} == set(npm.FILES)
    assert Path(finder.find("vendor/htmx.js")).is_file()
    for path in ("vendor/htmx.org/package.json", "htmx.org/dist/htmx.js", "vendor/../package.json", "vendor/"):
        assert finder.find(path) is None


def test_missing_npm_packages_are_named_with_the_command_to_run(settings: Any, tmp_path: Path):
    settings.NODE_MODULES = tmp_path
    finder = npm.NodeModulesFinder()

    [error] = finder.check()
    assert "npm ci" in error.hint
    with pytest.raises(ImproperlyConfigured, match="npm ci"):
        list(finder.list(None))


def test_collected_modules_import_each_other_by_hashed_names(settings: Any, tmp_path: Path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "apps.web.npm.ModuleManifestStorage"},
    }

    call_command("collectstatic", interactive=False, verbosity=0)

    [module] = tmp_path.glob("js/frame/index.????????????.js")
    imports = re.findall(r'from "([^"]+)"', module.read_text())
    assert imports
    for name in imports:
        assert re.search(r"\.[0-9a-f]{12}\.js$", name), name
        assert (module.parent / name).resolve().is_file()
    [fonts] = tmp_path.glob("css/fonts.????????????.css")
    for name in re.findall(r'url\("([^"]+)"\)', fonts.read_text()):
        assert (fonts.parent / name).resolve().is_file()
