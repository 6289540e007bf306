#include "common/config/configuration.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <sstream>

#include "common/config/option_table.h"
#include "common/config/unknown_options.h"
#include "common/hidden_passwords.h"
#include "common/json/json_writer.h"
#include "common/logging.h"
#include "common/version.h"

namespace dormouse {
namespace {

// A config file, in which an option that is no list has one value.
class OneValueEach : public CLI::ConfigBase {
 public:
  explicit OneValueEach(const CLI::App* app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> given = ConfigBase::from_config(input);
    for (const CLI::ConfigItem& item : given) {
      const CLI::Option* const option = app_->get_option_no_throw("--" + item.name);
      if (option == nullptr || option->get_expected_max() > 1 || item.inputs.size() <= 1) continue;
      throw CLI::ConfigError(
          "--" + item.name + ": " + std::to_string(item.inputs.size()) +
          " values are given, and it takes one; a text with blanks or commas needs \"quotes\"");
    }
    return given;
  }

 private:
  const CLI::App* const app_;
};

constexpr std::string_view kConfigFlag = "--config";
constexpr int kWrongUsage = 2;

bool IsFlag(const std::string& word, std::string_view option) {
  if (!word.starts_with("--") || std::string_view{word}.substr(2, option.size()) != option) return false;
  return word.size() == option.size() + 2 || word[option.size() + 2] == '=';
}

// --set NAME=VALUE becomes --NAME=VALUE.
std::vector<std::string> CommandLine(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--set" && i + 1 < argc) {
      words.push_back("--" + std::string(argv[++i]));
    } else if (word.starts_with("--set=")) {
      words.push_back("--" + word.substr(6));
    } else {
      words.push_back(word);
    }
  }
  return words;
}

// The file that is named on the command line or in the environment; empty: none.
std::string ConfigFile(const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == kConfigFlag && i + 1 < words.size()) return words[i + 1];
    if (words[i].starts_with(std::string(kConfigFlag) + "=")) return words[i].substr(kConfigFlag.size() + 1);
  }
  const char* named = std::getenv(EnvironmentName("config").c_str());
  return named == nullptr ? "" : named;
}

std::string ProgramOf(Process process) {
  return process == Process::kGateway ? "dormouse-gateway" : "dormouse-statekeeper";
}

// The options that a sentence names, in its order.
std::vector<std::string> OptionsIn(std::string_view sentence) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz-";
  std::vector<std::string> names;
  for (size_t at = sentence.find("--"); at != std::string_view::npos; at = sentence.find("--", at)) {
    at += 2;
    names.emplace_back(sentence.substr(at, sentence.find_first_not_of(kLetters, at) - at));
  }
  return names;
}

// Of "--NAME=" CLI11 would make an option whose value is the next word.
void AddWord(const std::string& word, std::vector<std::string>* words) {
  if (!word.starts_with("--") || !word.ends_with('=') || word.find('=') + 1 != word.size())
    return words->push_back(word);
  words->push_back(word.substr(0, word.size() - 1));
  words->emplace_back();
}

// 0: it says nothing of it.
int LineOf(const std::string& file, std::string_view option) {
  for (const ConfigKey& each : ConfigKeys(file)) {
    if (each.key == option) return each.line;
  }
  return 0;
}

// Those of the process that may change while it runs, in lines.
std::string Changing(const OptionTable& table) {
  std::string text;
  size_t width = 0;
  for (const OptionTable::Row& row : table.rows()) {
    if (!row.is_used || !row.may_change) continue;
    width += row.name.size() + 1;
    text += text.empty() ? "" : width > 100 ? "\n" : " ";
    if (width > 100) width = row.name.size();
    text += row.name;
  }
  return text;
}

}  // namespace

std::string_view NameOf(Process process) { return process == Process::kGateway ? "gateway" : "statekeeper"; }

std::string_view NameOf(Configuration::Source source) {
  constexpr std::string_view kNames[] = {"default", "file", "environment", "command_line"};
  return kNames[static_cast<size_t>(source)];
}

struct Configuration::Parsed {
  explicit Parsed(Process process)
      : app(process == Process::kGateway ? "Dormouse gateway: holds the WebSockets."
                                         : "Dormouse statekeeper: holds the hubs.",
            ProgramOf(process)),
        table(&app, process) {
    const bool gateway = process == Process::kGateway;
    options.listen = gateway ? "127.0.0.1:8080" : "";
    options.tls_listen = "127.0.0.1:8443";
    options.admin = gateway ? "127.0.0.1:8081" : "127.0.0.1:7401";
    app.set_version_flag("--version", VersionText());
    app.set_config(std::string(kConfigFlag), "", "File of the same options, one NAME = VALUE a line");
    app.get_config_ptr()->envname(EnvironmentName("config"));
    app.config_formatter(std::make_shared<OneValueEach>(&app));
    app.allow_config_extras(CLI::config_extras_mode::error);
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    DeclareOptions(&table, &options);
    app.footer(
        "--set NAME=VALUE is the same as --NAME VALUE.\n\n"
        "SIGHUP reads the file of --config again. These change then, the others at the next start:\n" +
        Changing(table));
    app.add_flag("--check-config", check,
                 "Print the options in effect as a config file, passwords hidden, and end")
        ->configurable(false);
    if (!gateway) return;
    app.add_flag(
           "--take-over", options.take_over,
           "Take over from the gateway that runs with the same --data and --admin, closing no socket; end "
           "where that cannot be, and it goes on")
        ->configurable(false);
  }
  Parsed(const Parsed&) = delete;
  Parsed& operator=(const Parsed&) = delete;

  // What is in effect, as a config file would say it; without passwords.
  std::string AsFile() const {
    std::string text;
    for (const OptionTable::Row& row : table.rows()) {
      if (!row.is_used) continue;
      const std::string value = row.as_file();
      if (value == "[]") text += "# ";  // which is not read as it is printed
      text += row.name + " = " + WithoutPasswords(value) + "\n";
    }
    return text;
  }

  Options options;
  bool check = false;
  CLI::App app;
  OptionTable table;
  std::optional<int> status;  // of a process that is to end
  std::string said;           // on standard output
  std::string wrong;          // a sentence
  bool help_helps = false;    // whoever wrote that
};

std::unique_ptr<Configuration::Parsed> Configuration::Parse() const {
  auto parsed = std::make_unique<Parsed>(process_);
  parsed->wrong = WrongKey(file_, parsed->table.names());
  if (!parsed->wrong.empty()) {
    parsed->status = kWrongUsage;
    return parsed;
  }
  // CLI11 would let the config file win over the environment; as words, variables win.
  std::vector<std::string> words;
  for (const std::string& word : given_.words) AddWord(word, &words);
  for (const auto& [option, value] : given_.environment)
    AddWord(fmt::format("--{}={}", option, value), &words);
  std::ranges::reverse(words);  // as it takes them
  try {
    parsed->app.parse(std::move(words));
    parsed->wrong = Inconsistency(parsed->options);
    if (!parsed->wrong.empty()) parsed->status = kWrongUsage;
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream unused;
    parsed->status = parsed->app.exit(error, out, unused) == 0 ? 0 : kWrongUsage;
    parsed->said = WithoutPasswords(out.str());
    if (*parsed->status != 0) parsed->wrong = WithoutPasswords(error.what());
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
      const std::string unknown = UnknownFlag(parsed->app.remaining(), parsed->table.names());
      if (!unknown.empty()) parsed->wrong = WithoutPasswords(unknown);
    }
  }
  if (!parsed->wrong.empty()) {
    parsed->wrong = Located(parsed->wrong);
    parsed->help_helps = true;
  }
  return parsed;
}

std::optional<Configuration> Configuration::Read(int argc, char** argv, Process process, int* status) {
  Configuration configuration;
  configuration.process_ = process;
  configuration.given_.words = CommandLine(argc, argv);
  const bool visible = HidePasswords(argc, argv);
  configuration.file_ = ConfigFile(configuration.given_.words);

  const std::vector<std::string> names = Parsed(process).table.names();
  if (const std::string unknown = UnknownVariable(environ, names); !unknown.empty()) {
    std::fprintf(stderr, "%s\n", unknown.c_str());
    *status = kWrongUsage;
    return std::nullopt;
  }
  for (const std::string& name : names) {
    const char* value = std::getenv(EnvironmentName(name).c_str());
    if (value == nullptr || configuration.SourceOf(name) == Source::kCommandLine) continue;
    configuration.given_.environment.emplace_back(name, value);
  }
  const std::unique_ptr<Parsed> parsed = configuration.Parse();
  parsed->options.password_was_visible = visible;
  if (!parsed->status && parsed->check) {
    parsed->said = fmt::format("# {} {}\n{}", ProgramOf(process), VersionText(), parsed->AsFile());
    parsed->status = 0;
  }
  if (parsed->status) {
    std::fputs(parsed->said.c_str(), stdout);
    if (!parsed->wrong.empty()) {
      std::fprintf(stderr, "%s\n%s", parsed->wrong.c_str(),
                   parsed->help_helps ? "Run with --help for more information.\n" : "");
    }
    *status = *parsed->status;
    return std::nullopt;
  }
  configuration.TakeOver(*parsed);
  return configuration;
}

std::optional<Configuration> Configuration::ReadAgain(std::string* wrong) const {
  Configuration next;
  next.process_ = process_;
  next.given_ = given_;
  next.file_ = file_;
  const std::unique_ptr<Parsed> parsed = next.Parse();
  *wrong = parsed->wrong;
  if (parsed->status) return std::nullopt;

  Parsed now(process_);
  now.options = options_;
  std::vector<std::pair<std::string, std::string>> pending;
  for (size_t i = 0; i < now.table.rows().size(); ++i) {
    const OptionTable::Row& mine = now.table.rows()[i];
    const OptionTable::Row& read = parsed->table.rows()[i];
    if (!mine.is_used || mine.may_change || mine.as_word() == read.as_word()) continue;
    const std::string word = WithoutPasswords(read.as_word());
    pending.emplace_back(mine.name, word.empty() ? "none" : word);
    read.copy(read.value, mine.value);
  }
  parsed->options.password_was_visible = options_.password_was_visible;
  // What waits for a restart may be what the rest needs.
  if (*wrong = Inconsistency(parsed->options); !wrong->empty()) {
    *wrong = Located(*wrong) + " (together with what cannot change before a restart)";
    return std::nullopt;
  }
  next.TakeOver(*parsed);
  for (auto& [name, value] : pending)
    std::ranges::find(next.settings_, name, &Setting::name)->pending = std::move(value);
  return next;
}

void Configuration::TakeOver(const Parsed& parsed) {
  options_ = parsed.options;
  for (const OptionTable::Row& row : parsed.table.rows()) {
    if (!row.is_used) continue;
    settings_.push_back({.name = row.name,
                         .value = WithoutPasswords(row.as_word()),
                         .source = SourceOf(row.name),
                         .line = LineOf(file_, row.name),
                         .may_change = row.may_change});
  }
}

Configuration::Source Configuration::SourceOf(std::string_view option) const {
  const auto is_of = [option](const auto& given) { return given.first == option; };
  if (std::ranges::any_of(given_.words, [option](const auto& word) { return IsFlag(word, option); }))
    return Source::kCommandLine;
  if (std::ranges::any_of(given_.environment, is_of)) return Source::kEnvironment;
  return LineOf(file_, option) != 0 ? Source::kFile : Source::kDefault;
}

std::string Configuration::Located(const std::string& sentence) const {
  for (const std::string& option : OptionsIn(sentence)) {
    switch (SourceOf(option)) {
      case Source::kFile:
        return fmt::format("{}:{}: {}", file_, LineOf(file_, option), sentence);
      case Source::kEnvironment:
        return fmt::format("{}: {}", EnvironmentName(option), sentence);
      case Source::kDefault:
      case Source::kCommandLine:
        break;
    }
  }
  return sentence;
}

std::vector<Configuration::Change> Configuration::ChangesSince(const Configuration& before) const {
  std::vector<Change> changes;
  for (size_t i = 0; i < settings_.size(); ++i) {
    const std::string& was = before.settings_[i].value;
    const std::string& is = settings_[i].value;
    if (was != is) changes.push_back({settings_[i].name, was, is});
  }
  return changes;
}

std::vector<std::string> Configuration::Pending() const {
  std::vector<std::string> pending;
  for (const Setting& setting : settings_) {
    if (!setting.pending.empty()) pending.push_back(setting.name);
  }
  return pending;
}

std::string Describe(const Configuration::Setting& setting, const std::string& file) {
  switch (setting.source) {
    case Configuration::Source::kDefault:
      return "default";
    case Configuration::Source::kFile:
      return fmt::format("{}:{}", file, setting.line);
    case Configuration::Source::kEnvironment:
      return EnvironmentName(setting.name);
    case Configuration::Source::kCommandLine:
      break;
  }
  return "command line";
}

std::string AsJson(const Configuration& configuration) {
  std::string settings;
  for (const Configuration::Setting& setting : configuration.settings()) {
    JsonWriter json;
    json.String("name", setting.name)
        .String("value", setting.value)
        .String("source", NameOf(setting.source))
        .String("from", Describe(setting, configuration.file()))
        .Bool("reloadable", setting.may_change);
    if (!setting.pending.empty()) json.String("pending", setting.pending);
    settings += (settings.empty() ? "" : ",") + json.Finish();
  }
  return JsonWriter()
      .String("process", NameOf(configuration.process()))
      .String("version", VersionText())
      .String("file", configuration.file())
      .Raw("settings", "[" + settings + "]")
      .Finish();
}

void Reload(ConfigurationInEffect* in_effect, const ApplyChanges& apply) {
  const std::shared_ptr<const Configuration> before = in_effect->Get();
  if (before->file().empty()) {
    SPDLOG_WARN("SIGHUP: there is nothing to read again, for this process was started without --config");
    return;
  }
  std::string wrong;
  std::optional<Configuration> next = before->ReadAgain(&wrong);
  std::vector<Configuration::Change> changes;
  if (next.has_value()) changes = next->ChangesSince(*before);
  if (!changes.empty()) wrong = next->Located(apply(*next, changes));
  if (!wrong.empty()) {
    SPDLOG_ERROR("SIGHUP: {} is refused as a whole, and what was in effect stays: {}", before->file(), wrong);
    return;
  }
  std::string told = changes.empty() ? "nothing changes" : "";
  for (const Configuration::Change& change : changes) {
    const auto shown = [](const std::string& value) { return value.empty() ? "none" : value; };
    told += fmt::format("{}{} = {} (was {})", told.empty() ? "" : ", ", change.option, shown(change.is),
                        shown(change.was));
  }
  const std::vector<std::string> pending = next->Pending();
  SPDLOG_INFO("SIGHUP: {} was read again: {}{}{}", before->file(), told,
              pending.empty() ? "" : "; needs a restart: ", fmt::join(pending, ", "));
  in_effect->Set(std::move(*next));
}

// The same for all callers that need only the values.
int ParseOptions(int argc, char** argv, Process process, Options* options) {
  int status = -1;
  const std::optional<Configuration> configuration = Configuration::Read(argc, argv, process, &status);
  if (configuration.has_value()) *options = configuration->options();
  return status;
}

}  // namespace dormouse
