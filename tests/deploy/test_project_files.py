"""What is read of a project: JSON with comments, wrangler's files, secrets."""

import dev_vars
import jsonc
import pytest
import wrangler_config
from projects import Project, config
from wrangler_config import ProjectError


@pytest.mark.parametrize("text, value", [
    ("{}", {}),
    ("\ufeff{\"a\": 1}", {"a": 1}),
    ('{"a": 1,}', {"a": 1}),
    ('[1, [2,\n], // two\n]', [1, [2]]),
    ('{"a": [1, /* , */ 2 /* ] */ , ], /* end */ }', {"a": [1, 2]}),
    ('{"url": "https://x/*y*/", "s": "a,]", "t": ",}" /**/}', {"url": "https://x/*y*/", "s": "a,]", "t": ",}"}),
    ('{"quote": "\\"// not a comment\\"", "end": "\\\\"}// "', {"quote": '"// not a comment"', "end": "\\"}),
    ("/* a\n * b **/ // c\r\n[1]", [1]),
    ('"//"', "//"),
])
def test_json_with_comments(text, value):
    assert jsonc.loads(text) == value


@pytest.mark.parametrize("text", ["", "{", "[,]", "{,}", "[1,,]", "[1,,2]", '{"a" 1}', "/* {}", "{} x", "[NaN]", "/ 1",
                                  '["a\nb"]', "[1] ,", "'a'"])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(ValueError):
        jsonc.loads(text)


def test_an_error_names_the_place_where_it_is():
    with pytest.raises(ValueError, match="line 4 column 3"):
        jsonc.loads('{ /* one\ntwo */ "a": 1, // three\n\n  b: 2 }')


def test_secrets_are_read_as_dotenv_has_them():
    assert dev_vars.parse(
        "# a comment\n"
        "PLAIN=one two   # and a comment\n"
        "export EXPORTED = x\r\n"
        "  EMPTY=\n"
        "SINGLE='a # b \\n'\n"
        'DOUBLE="line 1\\nline 2 \\"quoted\\" = #"  # after it\n'
        "KEY=\"-----BEGIN\nabc=\n-----END\"\n"
        "TICKS=`it's \"both\"`\n"
        "no assignment\n"
        "UNCLOSED='a\n"
        "LAST=end") == {
            "PLAIN": "one two", "EXPORTED": "x", "EMPTY": "", "SINGLE": "a # b \\n",
            "DOUBLE": 'line 1\nline 2 "quoted" = #', "KEY": "-----BEGIN\nabc=\n-----END", "TICKS": "it's \"both\"",
            "UNCLOSED": "'a", "LAST": "end"}


def read(tmp_path, environment=None, **files):
    return wrangler_config.read(Project(str(tmp_path), **files).directory, environment)


def refusal(tmp_path, **files):
    with pytest.raises(ProjectError) as refused:
        read(tmp_path, **files)
    return str(refused.value)


def test_json_goes_before_toml_and_says_so(tmp_path):
    it = read(tmp_path, **{"wrangler.jsonc": config(name="from-json") + "// the newer one"})
    assert it.name == "from-json"
    assert it.notices == ["wrangler.jsonc counts; wrangler.toml beside it: not read."]


def test_a_directory_without_configuration_is_no_project(tmp_path):
    assert "is not a project: it has none of wrangler.json, wrangler.jsonc, wrangler.toml." in refusal(
        tmp_path, **{"wrangler.toml": None})


def test_broken_files_are_refused_with_the_place(tmp_path):
    assert "line 2" in refusal(tmp_path / "toml", **{"wrangler.toml": 'name = "a"\nmain = \n'})
    assert "line 2 column 1" in refusal(tmp_path / "json", **{"wrangler.json": '{"name":\n}'})


@pytest.mark.parametrize("keys, said", [
    ({"main": None}, "wrangler.json names no `main`"),
    ({"main": "src/entry.py"}, "Workers in Python are not supported"),
    ({"main": "src/index.rs"}, "it has to end with one of .ts"),
    ({"main": 7}, "main has to be a string"),
    ({"pages_build_output_dir": "dist"}, "a project of Cloudflare Pages"),
    ({"triggers": {"crons": ["* * * *"]}}, "'* * * *' does not have the five fields"),
    ({"durable_objects": {"bindings": {"name": "A"}}}, "durable_objects.bindings has to be a list"),
    ({"durable_objects": {"bindings": [{"name": "A"}]}}, "needs a name and a class_name"),
    ({"migrations": ["v1"]}, "each of migrations has to be a table"),
    ({"compatibility_flags": "nodejs_compat"}, "compatibility_flags has to be a list"),
])
def test_what_cannot_be_is_refused_with_a_sentence(tmp_path, keys, said):
    assert said in refusal(tmp_path, **{"wrangler.json": config(**keys)})


def test_unknown_keys_are_named_and_those_without_meaning_here_are_not(tmp_path):
    it = read(tmp_path, **{"wrangler.toml": None, "wrangler.json": config(
        frobnicate=1, workers_dev=True, observability={"enabled": True}, account_id="x", **{"$schema": "s"})})
    assert it.notices == ["wrangler.json: frobnicate is not known here, and passed over."]


def test_migrations_say_which_classes_there_are(tmp_path):
    it = read(tmp_path, **{"wrangler.toml": None, "wrangler.json": config(migrations=[
        {"tag": "v1", "new_classes": ["Old", "Gone"]},
        {"tag": "v2", "new_sqlite_classes": ["Room"], "deleted_classes": ["Gone"],
         "renamed_classes": [{"from": "Old", "to": "New"}]}])})
    assert it.classes == {"Room": True, "New": False}
    assert it.stored_as["New"] == "Old" and it.stored_as["Room"] == "Room"
    assert not it.notices


def test_names_in_the_store_do_not_change_and_are_not_given_twice(tmp_path):
    it = read(tmp_path, **{"wrangler.toml": None, "wrangler.json": config(migrations=[
        {"tag": "v1", "new_classes": ["Room", "Lost"]},
        {"tag": "v2", "renamed_classes": [{"from": "Room", "to": "Hall"}], "new_sqlite_classes": ["Room"]},
        {"tag": "v3", "deleted_classes": ["Lost"]},
        {"tag": "v4", "renamed_classes": [{"from": "Hall", "to": "Lost"}, {"from": "Room", "to": "Hall"}]},
        {"tag": "v5", "new_sqlite_classes": ["Room"],
         "transferred_classes": [{"from": "Game", "from_script": "games", "to": "Match"}]}])})
    assert it.classes == {"Lost": False, "Hall": True, "Room": True, "Match": True}
    assert {name: it.stored_as[name] for name in it.classes} == {
        "Lost": "Room", "Hall": "Room.2", "Room": "Room.3", "Match": "Game"}
    assert it.notices == ["wrangler.json: Match has what objects of Game have stored in this cluster, where games ran in it"
                          " before. From another cluster nothing comes."]


@pytest.mark.parametrize("step, said", [
    ({"renamed_classes": [{"from": "Nobody", "to": "B"}]}, "Nobody cannot become B: there is no class Nobody at that"),
    ({"renamed_classes": [{"from": "A", "to": "Room"}]}, "A cannot become Room: there is a class Room already"),
    ({"renamed_classes": [{"from": "A", "to": "Room"}, {"from": "Room", "to": "A"}]}, "there is a class Room already"),
    ({"deleted_classes": ["A"], "renamed_classes": [{"from": "A", "to": "B"}]}, "there is no class A at that"),
    ({"transferred_classes": [{"from": "X", "from_script": "y", "to": "A"}]}, "X of y cannot become A: there is a class A"),
    ({"transferred_classes": [{"from": "A", "from_script": "y", "to": "B"}]}, "has, or had, a class A of its own"),
])
def test_what_cannot_become_of_a_class_is_refused(tmp_path, step, said):
    assert said in refusal(tmp_path, **{"wrangler.json": config(migrations=[
        {"tag": "v1", "new_sqlite_classes": ["A", "Room"]}, {"tag": "v2", **step}])})


def test_a_bound_class_without_migration_is_one_with_sql(tmp_path):
    it = read(tmp_path, **{"wrangler.toml": None, "wrangler.json": config(migrations=[{"tag": "v1", "new_classes": ["B"]}])})
    assert it.classes == {"B": False, "Room": True}
    assert "no migration creates Room, which ROOMS binds" in it.notices[0]


def test_bindings_that_are_not_supported_are_said_and_kept_with_the_sentence(tmp_path):
    it = read(tmp_path, **{"wrangler.toml": None, "wrangler.json": config(
        kv_namespaces=[{"binding": "KV", "id": "1"}], r2_buckets=[{"binding": "FILES"}],
        d1_databases=[{"binding": "DB"}], ai={"binding": "AI"}, browser={"binding": "BROWSER"},
        queues={"producers": [{"binding": "QUEUE", "queue": "q"}], "consumers": [{"queue": "q"}]},
        vectorize=[{"binding": "VECTORS"}], hyperdrive=[{"binding": "PG"}], send_email=[{"name": "MAIL"}],
        analytics_engine_datasets=[{"binding": "EVENTS"}], workflows=[{"binding": "FLOW", "name": "f"}],
        unsafe={"bindings": [{"name": "LIMIT", "type": "ratelimit"}]}, containers=[{"class_name": "Room"}],
        durable_objects={"bindings": [{"name": "OWN", "class_name": "Room", "script_name": "chat"},
                                      {"name": "OTHER", "class_name": "X", "script_name": "billing"}]},
        services=[{"binding": "SELF", "service": "chat"}, {"binding": "AUTH", "service": "auth"}])})
    assert {each["name"]: each["kind"] for each in it.unsupported} == {
        "KV": "kv_namespaces", "FILES": "r2_buckets", "DB": "d1_databases", "AI": "ai", "BROWSER": "browser",
        "QUEUE": "queues", "VECTORS": "vectorize", "PG": "hyperdrive", "MAIL": "send_email",
        "EVENTS": "analytics_engine_datasets", "FLOW": "workflows", "LIMIT": "unsafe", "OTHER": "durable_objects",
        "AUTH": "services"}
    for each in it.unsupported:
        assert f"Not supported: {each['message']} To use it throws this sentence." in it.notices
    assert it.unsupported[0]["message"] == ("env.OTHER (durable_objects in wrangler.json) is bound to a class of another"
                                            " Worker (billing), which Dormouse does not have.")
    assert "wrangler.json: Queues are not supported: queue() is never called." in it.notices
    assert "wrangler.json: containers are not supported: Room has no ctx.container." in it.notices
    assert it.durable_objects == [{"name": "OWN", "class_name": "Room"}]
    assert it.services == [{"name": "SELF"}]


ENVIRONMENTS = config(
    vars={"WHERE": "top"}, triggers={"crons": ["0 * * * *"]},
    env={"staging": {"vars": {"WHERE": "staging", "DEEP": {"a": [1]}},
                     "durable_objects": {"bindings": [{"name": "ROOMS", "class_name": "Room"}]}},
         "bare": {"name": "another"}})


def test_an_environment_takes_over_what_wrangler_lets_it(tmp_path):
    files = {"wrangler.toml": None, "wrangler.json": ENVIRONMENTS}
    it = read(tmp_path / "top", **files)
    assert (it.name, it.vars) == ("chat", {"WHERE": "top"})
    it = read(tmp_path / "staging", "staging", **files)
    assert (it.name, it.vars, it.crons) == ("chat-staging", {"WHERE": "staging", "DEEP": {"a": [1]}}, ["0 * * * *"])
    assert it.notices == []
    it = read(tmp_path / "bare", "bare", **files)
    assert (it.name, it.vars, it.durable_objects, it.classes) == ("another", {}, [], {"Room": True})
    assert it.notices == ["env.bare does not take over from the top level, as with wrangler: durable_objects, vars."]
    with pytest.raises(ProjectError, match="has no env.production; it has bare, staging"):
        read(tmp_path / "none", "production", **files)


def test_secrets_go_over_variables_and_dev_vars_over_env_files(tmp_path):
    files = {"wrangler.toml": None, "wrangler.json": config(vars={"A": "var", "N": 1}, env={"staging": {"vars": {}}}),
             ".env": "A=env\nB=env\nC=env\n", ".env.local": "B=local\n", ".env.staging": "C=staging\n"}
    assert read(tmp_path / "1", **files).vars == {"A": "env", "N": 1, "B": "local", "C": "env"}
    assert read(tmp_path / "2", "staging", **files).vars == {"A": "env", "B": "local", "C": "staging"}
    files[".dev.vars"] = "A=dev"
    assert read(tmp_path / "3", **files).vars == {"A": "dev", "N": 1}
    assert read(tmp_path / "4", "staging", **files).vars == {"A": "dev"}
    files[".dev.vars.staging"] = "S=1"
    assert read(tmp_path / "5", "staging", **files).vars == {"S": "1"}


def test_required_secrets_without_value_are_named(tmp_path):
    it = read(tmp_path, **{"wrangler.toml": None, ".dev.vars": "A=1",
                           "wrangler.json": config(secrets={"required": ["A", "B"]})})
    assert it.notices == ["wrangler.json: secrets without a value in .dev.vars: B."]
