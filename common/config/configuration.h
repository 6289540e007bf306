// What a process was told by its command line, its environment and its config file: the values of its
// options, where each is from, and the same read again, when somebody has changed the file and sends SIGHUP.
//
// A value. One thread; ConfigurationInEffect is for any.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/options.h"

namespace dormouse {

class Configuration {
 public:
  enum class Source { kDefault, kFile, kEnvironment, kCommandLine };
  // An option that the process uses.
  struct Setting {
    std::string name;
    std::string value;  // as a command line would say it; passwords are hidden
    Source source = Source::kDefault;
    int line = 0;              // of the file
    bool may_change = false;   // while the process runs
    std::string pending = {};  // what the file says, where that waits for a restart
  };

  // As ParseOptions; nullopt: the process is to exit with `*status`.
  static std::optional<Configuration> Read(int argc, char** argv, Process process, int* status);

  const Options& options() const { return options_; }
  Process process() const { return process_; }
  const std::string& file() const { return file_; }  // empty: there is none
  const std::vector<Setting>& settings() const { return settings_; }

  // Reads the file again: what is in effect once all that may change while the process runs has changed.
  // nullopt: `*wrong` is a sentence that says where; nothing is to change then.
  std::optional<Configuration> ReadAgain(std::string* wrong) const;
  // What is different from `before`; and what the file says that waits for a restart.
  struct Change {
    std::string option;
    std::string was;
    std::string is;
  };
  std::vector<Change> ChangesSince(const Configuration& before) const;
  std::vector<std::string> Pending() const;

  // A sentence about an option ("--allowed-origins: ..."), with file and line, or the variable, before it if it is from there.
  std::string Located(const std::string& sentence) const;

 private:
  // What the file does not change.
  struct Given {
    std::vector<std::string> words;                                // of the command line
    std::vector<std::pair<std::string, std::string>> environment;  // option and value
  };
  struct Parsed;

  std::unique_ptr<Parsed> Parse() const;
  Source SourceOf(std::string_view option) const;
  void TakeOver(const Parsed& parsed);

  Process process_ = Process::kGateway;
  Given given_;
  std::string file_;
  Options options_;
  std::vector<Setting> settings_;
};

// "gateway", "statekeeper".
std::string_view NameOf(Process process);
// "default", "file", "environment", "command_line".
std::string_view NameOf(Configuration::Source source);
// "default", "FILE:LINE", "DORMOUSE_...", "command line".
std::string Describe(const Configuration::Setting& setting, const std::string& file);

// For operators and scripts: an object with the settings, each with its value and where it is from.
std::string AsJson(const Configuration& configuration);

// The process's configuration as of now, for whoever asks. Any thread.
class ConfigurationInEffect {
 public:
  explicit ConfigurationInEffect(Configuration configuration) { Set(std::move(configuration)); }

  std::shared_ptr<const Configuration> Get() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void Set(Configuration configuration) {
    auto next = std::make_shared<const Configuration>(std::move(configuration));
    const std::lock_guard lock(mutex_);
    now_ = std::move(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Configuration> now_;
};

// SIGHUP: reads the file of `*in_effect` again, and says in the log what changes, what waits for a restart,
// or why nothing does. `apply` gets what is to be in effect, if that is something else; it changes all of it,
// or nothing and says why.
using ApplyChanges =
    std::function<std::string(const Configuration& next, const std::vector<Configuration::Change>& changes)>;
void Reload(ConfigurationInEffect* in_effect, const ApplyChanges& apply);

}  // namespace dormouse
