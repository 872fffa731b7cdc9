"""Serves an allow-list of npm files as static files, without a bundler."""

from django.contrib.staticfiles.finders import FileSystemFinder
from whitenoise.storage import CompressedManifestStaticFilesStorage


class NodeModulesFinder(FileSystemFinder):
    pass


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    support_js_module_import_aggregation = True
