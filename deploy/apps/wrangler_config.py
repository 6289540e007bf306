"""What a project says of itself: wrangler.json, wrangler.jsonc or wrangler.toml, and its secrets in .dev.vars or .env.

What Dormouse cannot do is said in a sentence when the file is read, not found out later: `notices`. Only what would
make another program of it is refused (ProjectError).
"""

import os
import tomllib
from dataclasses import dataclass, field

import dev_vars
import jsonc

FILES = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")  # the first that is there counts, as for wrangler
_MAIN = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")

# What lists of bindings of a key are, and which of their keys names the binding.
_LISTS_NOT_SUPPORTED = {
    "kv_namespaces": ("Workers KV", "binding"),
    "r2_buckets": ("R2", "binding"),
    "d1_databases": ("D1", "binding"),
    "vectorize": ("Vectorize", "binding"),
    "hyperdrive": ("Hyperdrive", "binding"),
    "analytics_engine_datasets": ("Analytics Engine", "binding"),
    "dispatch_namespaces": ("Workers for Platforms", "binding"),
    "mtls_certificates": ("mTLS certificates", "binding"),
    "pipelines": ("Pipelines", "binding"),
    "secrets_store_secrets": ("the Secrets Store", "binding"),
    "ratelimits": ("rate limiting", "name"),
    "send_email": ("e-mail", "name"),
    "worker_loaders": ("dynamic Workers", "binding"),
    "vpc_services": ("VPC services", "binding"),
    "workflows": ("Workflows", "binding"),
}
# Tables that are one binding.
_ONES_NOT_SUPPORTED = {
    "ai": "Workers AI",
    "browser": "Browser Rendering",
    "images": "Images",
    "media": "Media Transformations",
    "version_metadata": "version metadata",
}
# Of no meaning on one's own machines, or for other commands of wrangler.
_PASSED_OVER = {
    "$schema", "account_id", "addresses", "base_dir", "cache", "cloudchamber", "compliance_region", "dev", "env",
    "find_additional_modules", "first_party_worker", "keep_vars", "legacy_env", "limits", "logfwdr", "logpush",
    "observability", "placement", "preserve_file_names", "preview_urls", "previews", "python_modules", "route",
    "routes", "send_metrics", "streaming_tail_consumers", "tail_consumers", "targetEnvironment", "upload_source_maps",
    "usage_model", "userConfigPath", "workers_dev", "zone_id",
}
_USED = {
    "name", "main", "compatibility_date", "compatibility_flags", "durable_objects", "migrations", "vars", "triggers",
    "services", "rules", "assets", "build", "define", "alias", "jsx_factory", "jsx_fragment", "tsconfig", "minify",
    "keep_names", "no_bundle", "queues", "containers", "unsafe", "site", "secrets",
}
# What [env.NAME] does not take over from the top level.
_NOT_INHERITED = {"vars", "durable_objects", "services", "queues", "define", "unsafe", "containers", "secrets",
                  *_LISTS_NOT_SUPPORTED, *_ONES_NOT_SUPPORTED}
_MODULES = {"Text": "text", "Data": "data", "CompiledWasm": "wasm"}  # what a rule's type makes of a file
_DEFAULT_RULES = [("text", "**/*.txt"), ("text", "**/*.html"), ("text", "**/*.sql"), ("data", "**/*.bin"),
                  ("wasm", "**/*.wasm")]


class ProjectError(Exception):
    """What to tell the project's author: a sentence, or what the bundler said."""


@dataclass
class Project:
    directory: str
    file: str                       # the configuration
    secrets_files: list             # of which any would be read, were it there
    name: str = ""
    main: str = ""
    classes: dict = field(default_factory=dict)     # name -> whether it has SQL
    stored_as: dict = field(default_factory=dict)   # name -> what it is called in the store, where names do not change
    must_export: dict = field(default_factory=dict)  # name -> who says so
    durable_objects: list = field(default_factory=list)
    services: list = field(default_factory=list)
    unsupported: list = field(default_factory=list)
    vars: dict = field(default_factory=dict)
    crons: list = field(default_factory=list)
    assets: dict = None
    compatibility_date: str = ""
    compatibility_flags: list = field(default_factory=list)
    rules: list = field(default_factory=lambda: list(_DEFAULT_RULES))  # (text | data | wasm, glob), the first counts
    esbuild: dict = field(default_factory=dict)      # options that the file hands on to it
    build: dict = None                               # command, directory, watched
    notices: list = field(default_factory=list)


def find(directory):
    """Path of the directory's configuration; None: it is not a project."""
    for name in FILES:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            return path
    return None


def read(directory, environment=None):
    directory = os.path.realpath(directory)
    path = find(directory)
    if path is None:
        raise ProjectError(f"{directory} is not a project: it has none of {', '.join(FILES)}.")
    return _Reader(directory, path, environment).read()


class _Reader:
    def __init__(self, directory, path, environment):
        self._base = os.path.basename(path)
        suffix = f".{environment}" if environment else ""
        secrets = [f".dev.vars{suffix}"] if suffix else []
        secrets += [".dev.vars", *([f".env{suffix}.local"] if suffix else []), ".env.local",
                    *([f".env{suffix}"] if suffix else []), ".env"]
        self._it = Project(directory, path, [os.path.join(directory, name) for name in secrets])
        self._environment = environment
        self._stored = set()  # names that classes have, or had, in the store

    def read(self):
        it = self._it
        others = [name for name in FILES if name != self._base and os.path.isfile(os.path.join(it.directory, name))]
        if others:
            it.notices.append(f"{self._base} counts; {' and '.join(others)} beside it: not read.")
        whole = self._load()
        config = self._of_environment(whole)
        self._name_and_main(config)
        self._migrations(config)
        self._objects(config)
        self._services(config)
        self._others(config)
        self._variables(config)
        self._how_to_bundle(config)
        self._assets(config)
        it.crons = self._crons(config)
        it.compatibility_date = str(config.get("compatibility_date", ""))
        it.compatibility_flags = self._texts(config, "compatibility_flags")
        for key in sorted(config.keys() - _USED - _PASSED_OVER - _LISTS_NOT_SUPPORTED.keys()
                          - _ONES_NOT_SUPPORTED.keys()):
            it.notices.append(f"{self._base}: {key} is not known here, and passed over.")
        return it

    def _load(self):
        try:
            with open(self._it.file, encoding="utf-8") as file:
                text = file.read()
            whole = tomllib.loads(text) if self._base.endswith(".toml") else jsonc.loads(text)
        except (OSError, ValueError) as error:  # of both formats, and of what is not UTF-8
            raise ProjectError(f"{self._it.file} cannot be read: {error}.") from error
        return self._is(whole, dict, "the whole")

    def _of_environment(self, whole):
        if not self._environment:
            return whole
        known = self._table(whole, "env")
        if self._environment not in known:
            raise ProjectError(f"{self._base} has no env.{self._environment};"
                               f" it has {', '.join(sorted(known)) or 'none'}.")
        own = self._is(known[self._environment], dict, f"env.{self._environment}")
        left = sorted(key for key in whole.keys() & _NOT_INHERITED if key not in own)
        if left:
            self._it.notices.append(f"env.{self._environment} does not take over from the top level, as with wrangler:"
                                    f" {', '.join(left)}.")
        config = {key: value for key, value in whole.items() if key not in _NOT_INHERITED} | own
        if "name" in whole and "name" not in own:
            config["name"] = f"{whole['name']}-{self._environment}"
        return config

    def _name_and_main(self, config):
        it = self._it
        it.name = self._text(config, "name") or os.path.basename(it.directory)
        if "pages_build_output_dir" in config:
            raise ProjectError(f"{self._base}: this is a project of Cloudflare Pages (pages_build_output_dir), not of a"
                               " Worker.")
        main = self._text(config, "main")
        if not main:
            raise ProjectError(f"{self._base} names no `main`, the file where the Worker's code begins.")
        if main.endswith(".py"):
            raise ProjectError(f"{self._base}: main is {main}, and Workers in Python are not supported: only JavaScript"
                               " and TypeScript are.")
        if not main.endswith(_MAIN):
            raise ProjectError(f"{self._base}: main is {main}; it has to end with one of {', '.join(_MAIN)}.")
        it.main = os.path.normpath(os.path.join(it.directory, main))

    def _migrations(self, config):
        it = self._it
        for step in self._tables(config, "migrations"):
            for name in self._texts(step, "deleted_classes"):
                it.classes.pop(name, None)
            for renamed in self._tables(step, "renamed_classes"):
                self._rename(self._text(renamed, "from"), self._text(renamed, "to"))
            for moved in self._tables(step, "transferred_classes"):
                self._transfer(self._text(moved, "from"), self._text(moved, "from_script"), self._text(moved, "to"))
            for key, sql in (("new_classes", False), ("new_sqlite_classes", True)):
                for name in self._texts(step, key):
                    self._add_class(name, sql)
        it.must_export = {name: "migrations" for name in it.classes}

    def _add_class(self, name, sql):
        """A name that the store has for a class that was renamed, or deleted, is not given again: it begins with nothing."""
        it = self._it
        if name not in it.classes:
            stored, number = name, 1
            while stored in self._stored:
                number += 1
                stored = f"{name}.{number}"
            self._store_as(name, stored)
        it.classes[name] = sql

    def _rename(self, before, now):
        it = self._it
        what = f"{self._base}: renamed_classes: {before} cannot become {now}"
        if before not in it.classes:
            raise ProjectError(f"{what}: there is no class {before} at that point of the migrations.")
        if now in it.classes:
            raise ProjectError(f"{what}: there is a class {now} already.")
        it.classes[now] = it.classes.pop(before)
        it.stored_as[now] = it.stored_as.pop(before)

    def _transfer(self, before, script, now):
        it = self._it
        what = f"{self._base}: transferred_classes: {before} of {script or 'another Worker'} cannot become {now}"
        if now in it.classes:
            raise ProjectError(f"{what}: there is a class {now} already.")
        if before in self._stored:
            raise ProjectError(f"{what}: this Worker has, or had, a class {before} of its own, whose objects are in the"
                               " store under that name.")
        it.classes[now] = True
        self._store_as(now, before)
        it.notices.append(f"{self._base}: {now} has what objects of {before} have stored in this cluster, where"
                          f" {script or 'the other Worker'} ran in it before. From another cluster nothing comes.")

    def _store_as(self, name, stored):
        self._it.stored_as[name] = stored
        self._stored.add(stored)

    def _objects(self, config):
        it = self._it
        migrated = "migrations" in config
        for binding in self._tables(self._table(config, "durable_objects"), "bindings", "durable_objects.bindings"):
            name, cls = self._text(binding, "name"), self._text(binding, "class_name")
            if not name or not cls:
                raise ProjectError(f"{self._base}: each of durable_objects.bindings needs a name and a class_name.")
            script = self._text(binding, "script_name")
            if script and script != it.name:
                self._not_supported(name, "durable_objects", f"a class of another Worker ({script})")
                continue
            if cls not in it.classes:
                if migrated:
                    it.notices.append(f"{self._base}: no migration creates {cls}, which {name} binds (new_sqlite_classes"
                                      " does); it is taken as one with SQL.")
                self._add_class(cls, True)
            it.must_export[cls] = f"durable_objects.bindings ({name})"
            it.durable_objects.append({"name": name, "class_name": cls})

    def _services(self, config):
        for binding in self._tables(config, "services"):
            name, service = self._text(binding, "binding"), self._text(binding, "service")
            if service != self._it.name:
                self._not_supported(name, "services", f"another Worker ({service})")
                continue
            bound = {"name": name}
            if binding.get("entrypoint"):
                bound["entrypoint"] = self._text(binding, "entrypoint")
                self._it.must_export[bound["entrypoint"]] = f"services ({name})"
            if "props" in binding:
                bound["props"] = binding["props"]
            self._it.services.append(bound)

    def _others(self, config):
        for key, (what, naming) in _LISTS_NOT_SUPPORTED.items():
            for binding in self._tables(config, key):
                self._not_supported(self._text(binding, naming), key, what)
        for key, what in _ONES_NOT_SUPPORTED.items():
            if key in config:
                self._not_supported(self._text(self._table(config, key), "binding"), key, what)
        queues = self._table(config, "queues")
        for binding in self._tables(queues, "producers", "queues.producers"):
            self._not_supported(self._text(binding, "binding"), "queues", "Queues")
        if self._tables(queues, "consumers", "queues.consumers"):
            self._it.notices.append(f"{self._base}: Queues are not supported: queue() is never called.")
        for binding in self._tables(self._table(config, "unsafe"), "bindings", "unsafe.bindings"):
            self._not_supported(self._text(binding, "name"), "unsafe", f"`{self._text(binding, 'type')}`")
        for container in self._tables(config, "containers"):
            self._it.notices.append(f"{self._base}: containers are not supported: {self._text(container, 'class_name')}"
                                    " has no ctx.container.")
        if "site" in config:
            self._it.notices.append(f"{self._base}: Workers Sites (site) is not supported; `assets` is.")

    def _not_supported(self, name, key, what):
        message = f"env.{name} ({key} in {self._base}) is bound to {what}, which Dormouse does not have."
        self._it.unsupported.append({"name": name, "kind": key, "message": message})
        self._it.notices.append(f"Not supported: {message} To use it throws this sentence.")

    def _variables(self, config):
        self._it.vars = dict(self._table(config, "vars"))
        files = self._it.secrets_files
        own = [path for path in files if os.path.basename(path).startswith(".dev.vars") and os.path.isfile(path)]
        # The first .dev.vars alone; else all .env files, of which the first that sets a variable counts.
        for path in own[:1] or reversed([path for path in files if os.path.isfile(path)]):
            try:
                with open(path, encoding="utf-8") as file:
                    self._it.vars.update(dev_vars.parse(file.read()))
            except (OSError, ValueError) as error:
                raise ProjectError(f"{path} cannot be read: {error}.") from error
        required = self._texts(self._table(config, "secrets"), "required", "secrets.required")
        missing = [name for name in required if name not in self._it.vars]
        if missing:
            self._it.notices.append(f"{self._base}: secrets without a value in .dev.vars: {', '.join(missing)}.")

    def _how_to_bundle(self, config):
        it = self._it
        own = []
        for rule in self._tables(config, "rules"):
            kind = self._text(rule, "type")
            if kind in _MODULES:
                own += [(_MODULES[kind], glob) for glob in self._texts(rule, "globs", "rules.globs")]
            elif kind not in ("ESModule", "CommonJS"):  # those are bundled by themselves
                it.notices.append(f"{self._base}: rules of type {kind} are not known here, and passed over.")
        it.rules = own + it.rules
        it.esbuild = {"define": self._texts_by_name(config, "define"), "alias": self._texts_by_name(config, "alias")}
        for key, option in (("jsx_factory", "jsxFactory"), ("jsx_fragment", "jsxFragment")):
            if config.get(key):
                it.esbuild[option] = self._text(config, key)
        if config.get("tsconfig"):
            it.esbuild["tsconfig"] = os.path.join(it.directory, self._text(config, "tsconfig"))
        if config.get("no_bundle"):
            it.notices.append(f"{self._base}: no_bundle is passed over: the code is bundled as any other.")
        build = self._table(config, "build")
        if build.get("command"):
            watched = build.get("watch_dir", "src")
            watched = watched if isinstance(watched, list) else [watched]
            it.build = {"command": self._text(build, "command", "build.command"),
                        "directory": os.path.join(it.directory, build.get("cwd", "")),
                        "watched": [os.path.join(it.directory, str(each)) for each in watched]}

    def _assets(self, config):
        assets = self._table(config, "assets")
        if not assets.get("directory"):
            return
        path = os.path.normpath(os.path.join(self._it.directory, self._text(assets, "directory", "assets.directory")))
        self._it.assets = {"directory": path}
        for key in ("binding", "html_handling", "not_found_handling", "run_worker_first"):
            if key in assets:
                self._it.assets[key] = assets[key]
        if not os.path.isdir(path) and not self._it.build:
            self._it.notices.append(f"{self._base}: the directory of assets is not there: {path}.")

    def _crons(self, config):
        crons = self._texts(self._table(config, "triggers"), "crons", "triggers.crons")
        for cron in crons:
            if len(cron.split()) != 5:
                raise ProjectError(f"{self._base}: triggers.crons: '{cron}' does not have the five fields of a cron"
                                   " expression (minute, hour, day, month, weekday).")
        return crons

    # Values of the types that they have to have; empty ones where there are none.

    def _is(self, value, kind, key):
        if not isinstance(value, kind):
            name = {dict: "a table", list: "a list", str: "a string"}[kind]
            raise ProjectError(f"{self._base}: {key} has to be {name}.")
        return value

    def _table(self, parent, key):
        return self._is(parent.get(key) or {}, dict, key)

    def _tables(self, parent, key, path=None):
        return [self._is(each, dict, f"each of {path or key}")
                for each in self._is(parent.get(key) or [], list, path or key)]

    def _text(self, parent, key, path=None):
        return self._is(parent.get(key) or "", str, path or key)

    def _texts(self, parent, key, path=None):
        return [self._is(each, str, f"each of {path or key}")
                for each in self._is(parent.get(key) or [], list, path or key)]

    def _texts_by_name(self, parent, key):
        return {name: self._is(value, str, f"{key}.{name}") for name, value in self._table(parent, key).items()}
