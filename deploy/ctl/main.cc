// dormousectl: what operators see of a running cluster, and can do to it.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "common/logging.h"
#include "common/shard.h"
#include "common/version.h"
#include "deploy/ctl/cluster_client.h"
#include "deploy/ctl/commands.h"
#include "deploy/ctl/copies.h"
#include "deploy/ctl/versions.h"

namespace dormouse {
namespace {

constexpr char kFooter[] =
    "Where to ask. Any statekeeper answers for the whole cluster. On its own host it is asked at its unix "
    "socket,\n"
    "DATA/run/statekeeper-ID.sock, without a key; unix:DATA/run means whichever of those there answers. Over "
    "the\n"
    "network it is HOST:PORT, with the file that the statekeepers have as --admin-key; or, where they have\n"
    "certificates, with a certificate of the same authorities for dormouse-operator.\n"
    "\n"
    "Statekeepers are named by their ids, by the first characters of these, or by their addresses; hubs as\n"
    "CLASS/NAME, as in signal/default. Each command has a --help of its own.\n"
    "\n"
    "Exit status: 0 done; 1 refused or failed; 2 wrong usage; 3 no statekeeper answers; 4 no such hub, hub\n"
    "class, statekeeper, shard or version; 5 not in time.";

struct Words {
  // Of a checkout's cluster, and of Debian's packages.
  std::vector<std::string> statekeepers = {"unix:./dormouse-data/run", "unix:/var/lib/dormouse/run"};
  LinkCredentials::Files files = {{"key", ""}, {{"certificate", ""}, {"private-key", ""}, {"ca", ""}}};
  std::string timeout;
  bool json = false;

  std::string hub;
  ConfigQuery config;
  HubQuery query;
  uint64_t limit = 0;
  std::string owner;
  bool summary = false;
  EvictTarget evicted;
  std::string mode;
  std::string drained;
  bool undo = false;
  bool wait = false;
  bool once = false;
  std::string interval = "1s";

  DeployOptions deploy;
  std::string version;

  BackupOptions backup;
  RestoreOptions restore;
  ImportOptions import;
  std::optional<uint64_t> at;
  uint64_t rewind_to = 0;
};

using Action = std::function<void(ClusterClient*, Form)>;

const CLI::Validator kDuration(
    [](std::string& text) -> std::string {
      try {
        return ParseDuration(text) > Duration(0) ? "" : "must be more than nothing";
      } catch (const std::exception& error) {
        return error.what();
      }
    },
    "");

const CLI::Validator kHub(
    [](std::string& text) -> std::string {
      const size_t slash = text.find('/');
      const bool good = slash != 0 && slash != std::string::npos && IsValidHubName(HubNameOf(text));
      return good ? "" : "'" + text + "' is no hub: write CLASS/NAME, as in signal/default";
    },
    "");

const CLI::Validator kMode(
    [](std::string& text) -> std::string {
      return text == "migrate" || text == "close" ? "" : "must be migrate or close";
    },
    "");

// The commands of dormousectl; the one that was chosen leaves what it does in `*action`, and its default of
// --timeout in `*words`.
class Commands {
 public:
  Commands(CLI::App* app, Words* words, Action* action) : app_(app), words_(words), action_(action) {
    AddViews();
    AddChanges();
    AddVersions();
    AddCopies();
  }

 private:
  CLI::App* Add(const std::string& name, const std::string& help, Action action,
                const std::string& timeout = "10s") {
    CLI::App* command = app_->add_subcommand(name, help);
    command->fallthrough();
    command->footer("dormousectl --help says where to ask, and what exit statuses mean.");
    command->callback([this, action = std::move(action), timeout] {
      *action_ = action;
      if (words_->timeout.empty()) words_->timeout = timeout;
    });
    return command;
  }

  void AddViews() {
    Words* w = words_;
    Add("members", "The living statekeepers", [](auto* cluster, Form form) { Members(cluster, form); });

    CLI::App* config =
        Add("config", "The options of each process as they are in effect, and where each is from",
            [w](auto* cluster, Form form) {
              w->config.timeout = ParseDuration(w->timeout);
              Config(cluster, w->config, form);
            });
    config->add_option("statekeeper", w->config.statekeeper, "Only this one")->type_name("ID|ADDRESS");
    config->add_option("--gateway", w->config.gateways, "Gateways, too, by their admin ports")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->type_name("ADDRESS[,ADDRESS...]");
    config->add_flag("--changed", w->config.changed, "Only what has not its default");

    CLI::App* shards = Add("shards", "Who owns which shard",
                           [w](auto* cluster, Form form) { Shards(cluster, w->owner, w->summary, form); });
    shards->add_option("--owner", w->owner, "Only those of this statekeeper")->type_name("ID|ADDRESS");
    shards->add_flag("--summary", w->summary, "How many each has, instead of which");

    CLI::App* hubs = Add("hubs", "The hubs that are awake or have something stored",
                         [w](auto* cluster, Form form) { Hubs(cluster, w->query, form); });
    hubs->add_option("--class", w->query.hub_class, "Only hubs of this class")->type_name("CLASS");
    hubs->add_flag("--awake", w->query.awake, "Only hubs in memory");
    hubs->add_option("--shard", w->query.shard, "Only hubs of this shard")->type_name("N");
    hubs->add_option("--limit", w->query.limit, "Stop after so many; 0: show all")->type_name("N");

    CLI::App* hub = Add("hub", "One hub: its sockets, its alarm and timers, what it keeps",
                        [w](auto* cluster, Form form) { Hub(cluster, w->hub, form); });
    hub->add_option("hub", w->hub, "The hub")->required()->check(kHub)->type_name("CLASS/NAME");

    CLI::App* connections = Add("connections", "The connections of a hub", [w](auto* cluster, Form form) {
      Connections(cluster, w->hub, w->limit, form);
    });
    connections->add_option("hub", w->hub, "The hub")->required()->check(kHub)->type_name("CLASS/NAME");
    connections->add_option("--limit", w->limit, "Stop after so many; 0: show all")->type_name("N");

    CLI::App* top =
        Add("top", "What each statekeeper does, again and again until Ctrl-C", [w](auto* cluster, Form form) {
          Top(cluster, w->once || form == Form::kJson, ParseDuration(w->interval), form);
        });
    top->add_flag("--once", w->once, "One picture, of one interval; so does --json");
    top->add_option("--interval", w->interval, "Time between two pictures")
        ->check(kDuration)
        ->capture_default_str()
        ->type_name("");
  }

  void AddChanges() {
    Words* w = words_;
    CLI::App* hibernate = Add("hibernate", "Let a hub leave memory now; its sockets stay open",
                              [w](auto* cluster, Form form) { Hibernate(cluster, w->hub, form); });
    hibernate->add_option("hub,--hub", w->hub, "The hub")->required()->check(kHub)->type_name("CLASS/NAME");

    CLI::App* evict = Add(
        "evict", "Take a hub, shards, or all that a statekeeper has away from where they are",
        [w](auto* cluster, Form form) { Evict(cluster, w->evicted, w->mode, form); }, "60s");
    evict->add_option("--mode", w->mode, "migrate: sockets stay open; close: sockets are closed with 1001")
        ->required()
        ->check(kMode)
        ->type_name("migrate|close");
    CLI::Option_group* what = evict->add_option_group("what", "One of these");
    what->add_option("--hub", w->evicted.hub, "One hub; to migrate, its whole shard")
        ->check(kHub)
        ->type_name("CLASS/NAME");
    what->add_option("--shard", w->evicted.shards, "Shards, by number")
        ->delimiter(',')
        ->type_name("N[,N...]");
    what->add_option("--statekeeper", w->evicted.statekeeper,
                     "All shards of this one (where to ask is said before the word evict)")
        ->type_name("ID|ADDRESS");
    what->require_option(1);

    CLI::App* drain = Add(
        "drain", "Hand over all shards of a statekeeper, and give it none until it stops",
        [w](auto* cluster, Form form) { Drain(cluster, w->drained, w->undo, w->wait, form); }, "60s");
    drain->add_option("statekeeper", w->drained, "The statekeeper")->required()->type_name("ID|ADDRESS");
    CLI::Option* undo = drain->add_flag("--undo", w->undo, "Let it have shards again");
    drain->add_flag("--wait", w->wait, "Return when nothing is left there")->excludes(undo);
  }

  void AddVersions() {
    Words* w = words_;
    CLI::App* deploy = Add(
        "deploy", "Have all statekeepers run a new version of an app; no socket closes",
        [w](auto* cluster, Form form) { Deploy(cluster, w->deploy, form); }, kPatience);
    deploy
        ->add_option("directory", w->deploy.directory,
                     "A project of Durable Objects, which is built; or an app directory")
        ->required()
        ->type_name("DIR");
    deploy->add_option("--app", w->deploy.app, "The app's name (default: as its configuration has it)")
        ->type_name("NAME");
    deploy->add_option("--env", w->deploy.environment, "The project's [env.NAME] in place of the top level")
        ->type_name("NAME");

    CLI::App* rollback = Add(
        "rollback", "Go back to a version of the app that was deployed before",
        [w](auto* cluster, Form form) { Rollback(cluster, w->version, form); }, kPatience);
    rollback->add_option("--to", w->version, "To this one (default: the one before the current one)")
        ->type_name("VERSION");

    Add("versions", "The versions of the app that are kept",
        [](auto* cluster, Form form) { Versions(cluster, form); });
  }

  void AddCopies() {
    Words* w = words_;
    CLI::App* backup = Add(
        "backup", "Copy the state of all hubs into a file, while they go on",
        [w](auto* cluster, Form form) { Backup(cluster, w->backup, form); }, kPatience);
    backup->add_option("file", w->backup.file, "The file; FILE.part until it is whole")
        ->required()
        ->type_name("FILE");
    backup->add_flag("--afresh", w->backup.afresh, "Do not go on with a FILE.part that was interrupted");
    backup->add_flag("--fast", w->backup.fast, "Without pauses, in which hubs have the store for themselves");

    CLI::App* verify =
        Add("verify", "Whether a backup file is whole, and what is in it; needs no cluster", nullptr);
    verify->add_option("file", w->backup.file, "The file")->required()->type_name("FILE");

    CLI::App* restore = Add(
        "restore", "Put the hubs of a backup file into a cluster",
        [w](auto* cluster, Form form) { Restore(cluster, w->restore, form); }, kPatience);
    restore->add_option("file", w->restore.file, "The file")->required()->type_name("FILE");
    CLI::Option* replace =
        restore->add_flag("--replace", w->restore.replace, "Put them in the place of hubs that exist");
    restore->add_flag("--keep", w->restore.keep, "Leave hubs that exist as they are")->excludes(replace);
    restore->add_flag("--afresh", w->restore.afresh, "Do not go on with a restore that was interrupted");
    restore->add_option("--hub", w->restore.hubs, "Only these hubs")
        ->check(kHub)
        ->delimiter(',')
        ->type_name("CLASS/NAME[,...]");

    CLI::App* out = Add(
        "export", "What one hub keeps, its alarm and timers, as JSON lines on standard output",
        [w](auto* cluster, Form) { Export(cluster, w->hub, w->at); }, kPatience);
    out->add_option("hub", w->hub, "The hub")->required()->check(kHub)->type_name("CLASS/NAME");
    out->add_option("--at", w->at, "As it was after this change (history shows which there are)")
        ->type_name("CHANGE");

    CLI::App* in = Add(
        "import", "Make a hub of JSON lines",
        [w](auto* cluster, Form form) { Import(cluster, w->import, form); }, kPatience);
    in->add_option("hub", w->import.hub, "The hub")->required()->check(kHub)->type_name("CLASS/NAME");
    in->add_option("file", w->import.file, "The file; -: standard input")->required()->type_name("FILE");
    in->add_flag("--replace", w->import.replace,
                 "Put it in the place of a hub that exists; its sockets are closed");

    CLI::App* history = Add(
        "history", "The last changes of one hub, which can be taken back (option hub-history)",
        [w](auto* cluster, Form form) { History(cluster, w->hub, form); }, kPatience);
    history->add_option("hub", w->hub, "The hub")->required()->check(kHub)->type_name("CLASS/NAME");

    CLI::App* rewind = Add(
        "rewind", "Put one hub back to how it was after a change; its sockets are closed",
        [w](auto* cluster, Form form) { Rewind(cluster, w->hub, w->rewind_to, form); }, kPatience);
    rewind->add_option("hub", w->hub, "The hub")->required()->check(kHub)->type_name("CLASS/NAME");
    rewind->add_option("--to", w->rewind_to, "The last change that stays (history shows which there are)")
        ->required()
        ->type_name("CHANGE");
  }

  static constexpr char kPatience[] = "60s";

  CLI::App* const app_;
  Words* const words_;
  Action* const action_;
};

// All three, or none.
void AddCertificate(CLI::App* app, LinkCertificates::Files* files) {
  const auto add = [app](LinkCertificates::File* file, const std::string& help, const std::string& variable) {
    return app->add_option("--" + file->option, file->path, help)->envname(variable)->type_name("FILE");
  };
  CLI::Option* certificate = add(&files->certificate,
                                 "Certificate (PEM) to ask over the network with, where "
                                 "statekeepers have certificates",
                                 "DORMOUSE_LINK_CERTIFICATE");
  CLI::Option* key = add(&files->key, "Its private key (PEM)", "DORMOUSE_LINK_KEY");
  CLI::Option* ca = add(&files->ca, "Certificates of its authorities (PEM)", "DORMOUSE_LINK_CA");
  certificate->needs(key)->needs(ca);
  key->needs(certificate);
  ca->needs(certificate);
}

std::string UnknownCommand(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (word.starts_with("-")) return fmt::format("there is no option {}; --help shows all", word);
  return fmt::format("there is no command '{}'; there are {}", word, fmt::join(names, ", "));
}

int Run(int argc, char** argv) {
  InitLogging("dormousectl", "warn");
  Words words;
  Action action;
  CLI::App app("See and steer a running Dormouse cluster.", "dormousectl");
  app.set_version_flag("--version", VersionText());
  app.require_subcommand(1);
  app.get_formatter()->column_width(32);
  app.footer(kFooter);
  app.add_option("--statekeeper", words.statekeepers,
                 "Where to ask: HOST:PORT, unix:SOCKET or unix:DIRECTORY; the first "
                 "that answers")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->envname("DORMOUSE_STATEKEEPER")
      ->capture_default_str()
      ->type_name("ADDRESS[,ADDRESS...]");
  app.add_option("--key", words.files.secret.path, "File with the admin key, to ask over the network")
      ->envname("DORMOUSE_ADMIN_KEY")
      ->type_name("FILE");
  AddCertificate(&app, &words.files.certificates);
  app.add_option("--timeout", words.timeout,
                 "Longest time that an answer may take (default: 10s; of evict, drain, deploy, "
                 "rollback and what copies hubs: 60s)")
      ->check(kDuration)
      ->type_name("DURATION");
  app.add_flag("--json", words.json, "Print one JSON document, for scripts");
  const Commands commands(&app, &words, &action);

  std::string data;
  app.add_option("--data", data, "The same by the cluster's data directory: unix:DIR/run")
      ->type_name("DIR")
      ->excludes(app.get_option("--statekeeper"));

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::vector<std::string> unknown = app.remaining();
    if (error.get_exit_code() != 0 && app.get_subcommands().empty() && !unknown.empty()) {
      std::fprintf(stderr, "dormousectl: %s\n", UnknownCommand(app, unknown.front()).c_str());
      return static_cast<int>(Exit::kUsage);
    }
    return app.exit(error) == 0 ? 0 : static_cast<int>(Exit::kUsage);
  }
  if (!data.empty()) words.statekeepers = {"unix:" + data + "/run"};
  try {
    if (!action) {
      Verify(words.backup.file, words.json ? Form::kJson : Form::kTable);
      return static_cast<int>(Exit::kDone);
    }
    ClusterClient cluster(words.statekeepers, words.files, ParseDuration(words.timeout));
    action(&cluster, words.json ? Form::kJson : Form::kTable);
    return static_cast<int>(Exit::kDone);
  } catch (const Failure& failure) {
    std::fprintf(stderr, "dormousectl: %s\n", failure.what());
    return static_cast<int>(failure.exit());
  }
}

}  // namespace
}  // namespace dormouse

int main(int argc, char** argv) {
  try {
    return dormouse::Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dormousectl: %s\n", error.what());
    return static_cast<int>(dormouse::Exit::kFailed);
  }
}
