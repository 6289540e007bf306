// The table of options as CLI11 reads it: what options.cc declares is registered here, and can be printed,
// compared and copied by its name. Options that the other process uses are accepted, and left out of --help.
//
// Internal to options.cc and configuration.cc. One thread.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/config/options.h"

namespace dormouse {

class OptionTable {
 public:
  enum User { kGateway = 1, kStatekeeper = 2, kBoth = 3 };
  struct Row {
    std::string name;
    bool is_used = false;                      // by this process
    std::function<std::string()> as_file;      // the value as a config file would say it
    std::function<std::string()> as_word;      // as a command line would
    void* value = nullptr;                     // in the Options that the table was made for
    void (*copy)(void* to, const void* from);  // such values
  };

  OptionTable(CLI::App* app, Process process)
      : app_(app), me_(process == Process::kGateway ? kGateway : kStatekeeper) {}

  template <typename T>
  void Plain(User user, const std::string& name, T* value, const std::string& help) {
    Add(
        user, name, help, app_->add_option("--" + name, *value)->capture_default_str(), value,
        [value] { return InFile(*value); }, [value] { return AsWord(*value); });
  }
  void Time(User user, const std::string& name, Duration* value, const std::string& help);
  void Size(User user, const std::string& name, uint64_t* value, const std::string& help);

  const std::vector<Row>& rows() const { return rows_; }
  std::vector<std::string> names() const;

 private:
  static std::string InFile(const std::string& value) { return '"' + value + '"'; }
  static std::string InFile(bool value) { return AsWord(value); }
  template <typename Number>
  requires std::is_arithmetic_v<Number>
  static std::string InFile(Number value) { return AsWord(value); }
  static std::string InFile(const std::vector<std::string>& values);

  static std::string AsWord(const std::string& value) { return value; }
  static std::string AsWord(bool value) { return value ? "true" : "false"; }
  template <typename Number>
  requires std::is_arithmetic_v<Number>
  static std::string AsWord(Number value) { return fmt::format("{}", value); }
  static std::string AsWord(const std::vector<std::string>& values);

  template <typename T>
  void Converted(User user, const std::string& name, T* value, const std::string& help,
                 T (*parse)(const std::string&), std::string (*print)(T));
  template <typename T>
  void Add(User user, const std::string& name, const std::string& help, CLI::Option* option, T* value,
           std::function<std::string()> as_file, std::function<std::string()> as_word) {
    Describe(user, name, help, option);
    rows_.push_back(
        {name, (user & me_) != 0, std::move(as_file), std::move(as_word), value,
         [](void* to, const void* from) { *static_cast<T*>(to) = *static_cast<const T*>(from); }});
  }
  void Describe(User user, const std::string& name, const std::string& help, CLI::Option* option) const;

  CLI::App* const app_;
  const User me_;
  std::vector<Row> rows_;
};

// DORMOUSE_ + the option's name in capitals.
std::string EnvironmentName(std::string_view option);

// In options.cc: registers all that there are; what no single one's parser can see, a sentence or nothing;
// whether an option may change while a process runs.
void DeclareOptions(OptionTable* table, Options* options);
std::string Inconsistency(const Options& options);
bool MayChange(std::string_view option);

}  // namespace dormouse
