"""npm files as static files, without a bundler: an allow-list out of node_modules, hashed like our own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage

# Name below /static/ -> file below node_modules. Nothing else of node_modules is ever served.
_INTER = "@fontsource-variable/inter/files/inter-{}-wght-normal.woff2"
FILES: dict[str, str] = {
    "vendor/htmx.js": "htmx.org/dist/htmx.esm.js",
    "vendor/lightweight-charts.js": "lightweight-charts/dist/lightweight-charts.standalone.production.mjs",
    "vendor/ag-grid-community.js": "ag-grid-community/dist/package/main.esm.min.mjs",
    **{
        f"vendor/inter/inter-{subset}.woff2": _INTER.format(subset)
        for subset in ("latin", "latin-ext", "greek", "cyrillic", "vietnamese")
    },
}


class NodeModulesFinder(BaseFinder):
    """Finds the files of the allow-list; says what to run when they are not installed."""

    def __init__(self, app_names: Any = None, *args: Any, **kwargs: Any) -> None:
        self.root = Path(settings.NODE_MODULES)
        super().__init__(*args, **kwargs)

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        missing = [source for source in FILES.values() if not (self.root / source).is_file()]
        if not missing:
            return []
        return [
            Error(
                f"{len(missing)} front-end files are missing, first: {self.root / missing[0]}.",
                hint="Run `npm ci` (or `make install`) in the project's folder.",
                id="web.E001",
            )
        ]

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        # Django 5.2 renamed `all`; the old name still arrives from older callers.
        find_all = find_all or bool(kwargs.get("all"))
        source = FILES.get(path)
        if source is None or not (self.root / source).is_file():
            return [] if find_all else None
        found = str(self.root / source)
        return [found] if find_all else found

    def list(self, ignore_patterns: Any) -> Iterator[tuple[str, Any]]:
        storage = _AllowList(self.root)
        for name, source in FILES.items():
            if not (self.root / source).is_file():
                raise ImproperlyConfigured(
                    f"{self.root / source} is missing. Run `npm ci` (or `make install`) in the project's folder."
                )
            yield name, storage


class _AllowList(FileSystemStorage):
    """Storage view of node_modules under the names of `FILES`."""

    prefix = ""

    def __init__(self, root: Path) -> None:
        super().__init__(location=root)

    def path(self, name: str) -> str:
        return super().path(FILES[name])


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names also inside ES modules: `import "./x.js"` becomes `import "./x.<hash>.js"`."""

    support_js_module_import_aggregation = True
    # One for each step of the longest chain of imports: a module's hash changes with those of what it imports.
    max_post_process_passes = 20

    def url_converter(self, name: str, hashed_files: Any, template: str | None = None) -> Callable[[Any], str]:
        convert = super().url_converter(name, hashed_files, template)

        def convert_relative(match: Any) -> str:
            # A bare name ("lightweight-charts") is a type of an npm package inside a comment, not a file here.
            if name.endswith(".js") and not match["url"].startswith((".", "/")):
                return str(match["matched"])
            return str(convert(match))

        return convert_relative
