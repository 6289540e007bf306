"""Projects become app directories: one module, what it consists of, a version that is named after both."""

import json
import os
import stat
import subprocess

import pytest
from cluster import REPOSITORY
from projects import MAIN, Project, config, needs_esbuild

pytestmark = needs_esbuild


@pytest.fixture
def project(tmp_path):
    made = 0

    def make(**files):
        nonlocal made
        made += 1
        return Project(str(tmp_path / str(made)), **files)

    return make


def test_an_app_directory_says_what_it_consists_of(project):
    it = project(**{".dev.vars": "KEY=secret"})
    manifest = it.build()
    assert it.notices == []
    version = manifest.pop("version")
    assert manifest == {
        "name": "chat",
        "command": ["node", "--enable-source-maps", os.path.join(it.host, "host.mjs")],
        "environment": {},
        "http": True,
        "classes": [{"name": "Room", "routes": [], "max_message_size": 1048576, "sql": True, "ids": True},
                    {"name": "dormouse.crons", "routes": [], "max_message_size": 1048576, "internal": True},
                    {"name": "dormouse.sockets", "routes": [], "max_message_size": 1048576, "internal": True},
                    {"name": "dormouse.homes", "routes": [], "max_message_size": 1048576, "internal": True}],
        "bundle": "worker.mjs",
        "exports": ["Room", "default"],
        "vars": {"KEY": "secret"},
        "bindings": {"durable_objects": [{"name": "ROOMS", "class_name": "Room"}], "services": []},
        "unsupported": [],
        "assets": None,
        "crons": [],
        "compatibility_date": "2025-01-01",
        "compatibility_flags": [],
    }
    assert sorted(os.listdir(it.into)) == sorted([version, "current"])
    assert sorted(os.listdir(os.path.join(it.into, version))) == ["worker.mjs", "worker.mjs.map", "workers.json"]
    mode = os.stat(os.path.join(it.into, version, "workers.json")).st_mode
    assert stat.S_IMODE(mode) == 0o600, "it has the project's secrets"


def test_a_portable_version_names_nothing_of_this_machine(project, tmp_path):
    it = project(**{"public/page.html": "<p>"}, **{"wrangler.json": config(assets={"directory": "public"})})
    versions = []
    for name in ("one", "another"):
        into = tmp_path / name
        subprocess.run([os.path.join(REPOSITORY, "deploy", "build-app"), it.directory, str(tmp_path / f"{name}-versions"),
                        "--portable", str(into)], check=True, stdout=subprocess.DEVNULL)
        versions.append({path.relative_to(into): path.read_bytes() for path in into.rglob("*") if path.is_file()})
    assert versions[0] == versions[1]
    manifest = json.loads((into / "workers.json").read_text())
    assert manifest["command"] == ["node", "--enable-source-maps", "{hubs}/js/host.mjs"]
    assert manifest["assets"]["directory"] == "assets"
    assert (into / "assets" / "page.html").read_text() == "<p>"
    assert str(tmp_path) not in (into / "workers.json").read_text()
    code = (into / "worker.mjs").read_text()
    assert 'from "cloudflare:workers"' in code and REPOSITORY not in code
    assert stat.S_IMODE(os.stat(into / "workers.json").st_mode) == 0o600, "it has the project's secrets"


def test_bundle_and_host_share_one_module(project):
    it = project()
    it.build()
    assert it.evaluate("return [worker.Room.prototype instanceof host.DurableObject, worker.Room.name,"
                       " await worker.default.fetch().text()]") == [True, "Room", "worker"]


def test_the_same_content_is_the_same_version(project):
    it = project()
    first = it.builder().build()
    again = it.builder().build()
    assert (first.is_new, again.is_new, again.version) == (True, False, first.version)
    it.save(".dev.vars", "A=1")
    assert it.builder().build().version != first.version


def test_the_last_five_versions_are_kept(project):
    it = project()
    versions = []
    for number in range(7):
        it.save("src/index.ts", MAIN + f"console.log({number});")
        versions.append(it.build()["version"])
    assert sorted(os.listdir(it.into)) == sorted([*versions[2:], "current"])
    assert os.readlink(os.path.join(it.into, "current")) == versions[-1]
    it.save("src/index.ts", MAIN + "console.log(2);")
    assert it.build()["version"] == versions[2], "going back is a version that is there"


def test_errors_in_the_code_are_shown_as_esbuild_says_them(project):
    it = project()
    version = it.build()["version"]
    it.save("src/index.ts", MAIN + "const a = ;\n")
    said = it.refusal()
    assert "Unexpected \";\"" in said and "src/index.ts:7:10" in said and "const a = ;" in said
    it.save("src/index.ts", 'import "./nowhere";\n' + MAIN)
    assert 'Could not resolve "./nowhere"' in it.refusal()
    assert it.manifest()["version"] == version, "what was there goes on"


def test_a_class_that_is_not_exported_is_an_error_that_names_it(project):
    it = project(**{"wrangler.json": config(
        durable_objects={"bindings": [{"name": "ROOMS", "class_name": "Room"}, {"name": "GAMES", "class_name": "Game"}]},
        migrations=[{"tag": "v1", "new_sqlite_classes": ["Room", "Game", "Lost"]}])})
    said = it.refusal()
    assert said.startswith("src/index.ts does not export Game, which durable_objects.bindings (GAMES) in wrangler.json"
                           " names; nor Lost, which migrations in wrangler.json names. It exports Room.")
    assert "deleted_classes" in said


def test_classes_may_come_from_other_files(project):
    it = project(**{"src/index.ts": 'export * from "./room"; export { default } from "./worker";',
                    "src/room.ts": 'import { DurableObject } from "cloudflare:workers";'
                                   " export class Room extends DurableObject {}",
                    "src/worker.js": "export default { fetch: () => new Response() };"})
    assert it.build()["exports"] == ["Room", "default"]


def test_a_worker_of_the_older_kind_is_refused(project):
    it = project(**{"src/index.ts": 'addEventListener("fetch", (event) => event.respondWith(new Response("")));',
                    "wrangler.json": config(durable_objects=None, migrations=None)})
    assert "Workers of the older kind (addEventListener(\"fetch\", ...)) are not supported" in it.refusal()


def test_a_main_that_is_not_there_is_named(project):
    assert project(**{"src/index.ts": None}).refusal() == "wrangler.toml: main is src/index.ts, which is not there."


_WASM = b"\0asm\1\0\0\0"


def test_files_become_modules_by_their_names(project):
    it = project(**{
        "src/index.ts": MAIN + """
import page from "./page.html"; import schema from "./schema.sql"; import note from "../note.txt";
import blob from "./some.bin"; import module from "./some.wasm"; import again from "./some.wasm?module";
import table from "./table.json";
export const all = { page, schema, note, blob, module, again, table };""",
        "src/page.html": "<p>ä</p>", "src/schema.sql": "SELECT 1", "note.txt": "`${x}`", "src/some.bin": b"\0\xff\1",
        "src/some.wasm": _WASM, "src/table.json": '{"a": 1}'})
    it.build()
    assert it.evaluate("""const { page, schema, note, blob, module, again, table } = worker.all;
        return [page, schema, note, blob instanceof ArrayBuffer, [...new Uint8Array(blob)],
                module instanceof WebAssembly.Module, again instanceof WebAssembly.Module, table.a]""") == [
                    "<p>ä</p>", "SELECT 1", "`${x}`", True, [0, 255, 1], True, True, 1]


def test_rules_of_the_project_go_first(project):
    it = project(**{
        "wrangler.json": config(rules=[{"type": "Data", "globs": ["**/*.html"], "fallthrough": False},
                                       {"type": "Text", "globs": ["prompts/*.md", "src/**/*.{graphql,gql}"]},
                                       {"type": "PythonModule", "globs": ["**/*.py"]}]),
        "src/index.ts": MAIN + """
import page from "./page.html"; import prompt from "../prompts/one.md"; import query from "./deep/er/a.gql";
export const all = { page, prompt, query };""",
        "src/page.html": "<p>", "prompts/one.md": "# one", "src/deep/er/a.gql": "query {}"})
    it.build()
    assert it.notices == ["wrangler.json counts; wrangler.toml beside it: not read.",
                          "wrangler.json: rules of type PythonModule are not known here, and passed over."]
    assert it.evaluate("const { page, prompt, query } = worker.all;"
                       " return [page instanceof ArrayBuffer, page.byteLength, prompt, query]") == [
                           True, 3, "# one", "query {}"]


def test_modules_of_node_stay_outside_also_for_packages_of_commonjs(project):
    it = project(**{
        "src/index.ts": MAIN + """
import { Buffer } from "node:buffer"; import { createHash } from "crypto"; import emitter from "emitter";
export const all = [Buffer.from("a").toString("hex"), createHash("md5").update("").digest("hex"), emitter];""",
        "node_modules/emitter/index.js": 'const { EventEmitter } = require("events");'
                                         ' module.exports = typeof EventEmitter + require("node:path").sep;'})
    it.build()
    assert it.evaluate("return worker.all") == ["61", "d41d8cd98f00b204e9800998ecf8427e", "function/"]


def test_a_module_that_node_does_not_have_is_named(project):
    it = project(**{"src/index.ts": 'import x from "node:nothing"; console.log(x);' + MAIN})
    assert "has no node:nothing" in it.refusal()


def test_packages_see_the_conditions_of_a_worker(project):
    it = project(**{
        "src/index.ts": MAIN + 'import where from "where"; export { where };',
        "node_modules/where/package.json": '{"exports": {"node": "./node.js", "workerd": "./workerd.js",'
                                           ' "default": "./other.js"}}',
        **{f"node_modules/where/{name}.js": f'export default "{name}";' for name in ("node", "workerd", "other")}})
    it.build()
    assert it.evaluate("return worker.where") == "workerd"


def test_modules_of_cloudflare_that_are_missing_throw_only_when_they_are_used(project):
    it = project(**{"src/index.ts": MAIN + """
import { connect } from "cloudflare:sockets";
export const tryIt = () => { try { connect("x"); } catch (error) { return error.message; } };"""})
    it.build()
    assert "cloudflare:sockets is not supported: what it exports throws when it is used" in it.notices[0]
    assert it.evaluate("return worker.tryIt()") == "cloudflare:sockets is not supported by Dormouse: connect"


def test_options_of_esbuild_are_handed_on(project):
    it = project(**{
        "wrangler.json": config(main="src/index.tsx", define={"BUILD": '"7"'}, alias={"old": "./src/new.js"},
                                jsx_factory="h"),
        "src/index.tsx": MAIN + 'import value from "old"; declare const BUILD: string;'
                                " const h = (name: string) => `<${name}>`; export const all = [BUILD, value, <p/>];",
        "src/new.js": "export default 'new';"})
    it.build()
    assert it.evaluate("return worker.all") == ["7", "new", "<p>"]


def test_decorators_are_as_tsconfig_has_them(project):
    it = project(**{
        "tsconfig.json": '{"compilerOptions": {"experimentalDecorators": true, /* as often */ "target": "es2022",}}',
        "src/index.ts": MAIN + "function named(target: any, key: string) { target.found = key; }"
                               " export class Decorated { @named method() {} }"})
    it.build()
    assert it.evaluate("return worker.Decorated.prototype.found") == "method"


def test_errors_lead_to_the_line_of_the_source(project):
    it = project(**{"src/index.ts": MAIN + "\nexport function fail(): void {\n  throw new Error('here');\n}\n"})
    it.build()
    stack = it.evaluate("try { worker.fail() } catch (error) { return error.stack }")
    line = MAIN.count("\n") + 3
    assert f"{it.path('src/index.ts')}:{line}:" in stack


def test_assets_and_crons_are_for_the_host(project):
    it = project(**{"wrangler.json": config(
        assets={"directory": "./public", "binding": "ASSETS", "not_found_handling": "single-page-application",
                "run_worker_first": ["/api/*"]},
        triggers={"crons": ["*/5 * * * *", "0 0 1 * MON"]}), "public/index.html": "<p>"})
    manifest = it.build()
    assert manifest["assets"] == {"directory": it.path("public"), "binding": "ASSETS",
                                  "not_found_handling": "single-page-application", "run_worker_first": ["/api/*"]}
    assert manifest["crons"] == ["*/5 * * * *", "0 0 1 * MON"]


def test_the_projects_own_command_runs_before(project):
    it = project(**{
        "wrangler.json": config(main="out/index.js", build={"command": "mkdir -p out && cp src/index.js out/ && tool"}),
        "src/index.js": "export class Room {} export default {};",
        "node_modules/.bin/tool": "#!/bin/sh\necho made >> out/log\n"})
    assert "tool: Permission denied\nbuild.command ended with exit status" in it.refusal()
    os.chmod(it.path("node_modules/.bin/tool"), 0o755)
    assert it.build()["exports"] == ["Room", "default"]
    it.save("node_modules/.bin/tool", "echo what is wrong >&2; exit 3")
    assert it.refusal() == ("what is wrong\nbuild.command ended with exit status 3:"
                            " mkdir -p out && cp src/index.js out/ && tool")


def test_entry_points_of_a_binding_to_itself_have_to_be_there(project):
    it = project(**{"wrangler.json": config(services=[{"binding": "SELF", "service": "chat", "entrypoint": "Admin"}])})
    assert "does not export Admin, which services (SELF) in wrangler.json names" in it.refusal()
    it.save("src/index.ts", MAIN + "export class Admin {}")
    assert it.build()["bindings"]["services"] == [{"name": "SELF", "entrypoint": "Admin"}]


def test_an_esbuild_of_the_project_goes_before(project):
    it = project(**{"node_modules/esbuild/package.json": '{"main": "main.js"}',
                    "node_modules/esbuild/main.js": 'exports.build = async () => { throw new Error("the own one"); };'})
    assert "the own one" in it.refusal()


def test_it_is_built_for_other_clusters_too(project, tmp_path):
    it = project(**{"wrangler.json": config(ai={"binding": "AI"})})
    command = [os.path.join(REPOSITORY, "deploy", "build-app"), it.directory, str(tmp_path / "into")]
    first, again = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))
    version = os.readlink(tmp_path / "into" / "current")
    assert first.stdout == f"chat {version} in {tmp_path}/into/current\n"
    assert again.stdout == f"chat {version} (as before) in {tmp_path}/into/current\n"
    assert "env.AI (ai in wrangler.json)" in first.stderr
    it.save("src/index.ts", "export {")
    broken = subprocess.run(command, capture_output=True, text=True, check=False)
    assert broken.returncode == 1 and "found end of file" in broken.stderr


def test_the_host_may_be_elsewhere_where_it_runs(project, tmp_path):
    command = [os.path.join(REPOSITORY, "deploy", "build-app"), project().directory, str(tmp_path / "into")]
    subprocess.run([*command, "--host", "/there/js"], stdout=subprocess.DEVNULL, check=True)
    with open(tmp_path / "into" / "current" / "workers.json", encoding="utf-8") as file:
        assert json.load(file)["command"] == ["node", "--enable-source-maps", "/there/js/host.mjs"]
    with open(tmp_path / "into" / "current" / "worker.mjs", encoding="utf-8") as file:
        assert '"file:///there/js/cloudflare_workers.mjs"' in file.read()
