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
  enum Change { kAtStart, kWhileRunning };  // when the config file's value is taken over; the second: SIGHUP
  struct Row {
    std::string name;
    bool is_used = false;                      // by this process
    bool may_change = false;                   // while it runs
    std::function<std::string()> as_file;      // the value as a config file would say it
    std::function<std::string()> as_word;      // as a command line would
    void* value = nullptr;                     // in the Options that the table was made for
    void (*copy)(void* to, const void* from);  // such values
  };

  OptionTable(CLI::App* app, Process process)
      : app_(app), me_(process == Process::kGateway ? kGateway : kStatekeeper) {}

  // `unit`: a word for what a value is, or all the words that it can be: "off|deflate". Of lists several may
  // be given, separated by commas. `help`: a sentence, for --help and deploy/configure.md.
  template <typename T>
  void Plain(User user, Change change, const std::string& name, T* value, const std::string& unit,
             const std::string& help) {
    CLI::Option* const option = app_->add_option("--" + name, *value)->capture_default_str();
    if constexpr (std::is_same_v<T, bool>) option->default_str(AsWord(*value));
    if constexpr (std::is_arithmetic_v<T>) option->check(NotEmpty(unit));
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      option->multi_option_policy(CLI::MultiOptionPolicy::Throw)->delimiter(',');
    }
    Add(
        user, change, name, unit, help, option, value, [value] { return InFile(*value); },
        [value] { return AsWord(*value); });
  }
  void Flag(User user, Change change, const std::string& name, bool* value, const std::string& help) {
    Plain(user, change, name, value, "true|false", help);
  }
  void Time(User user, Change change, const std::string& name, Duration* value, const std::string& help);
  void Size(User user, Change change, const std::string& name, uint64_t* value, const std::string& help);

  const std::vector<Row>& rows() const { return rows_; }
  std::vector<std::string> names() const;

 private:
  // CLI11 would read nothing as 0, which for most limits means none.
  static CLI::Validator NotEmpty(const std::string& unit);

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
  void Converted(User user, Change change, const std::string& name, T* value, const std::string& unit,
                 const std::string& help, T (*parse)(const std::string&), std::string (*print)(T));
  template <typename T>
  void Add(User user, Change change, const std::string& name, const std::string& unit,
           const std::string& help, CLI::Option* option, T* value, std::function<std::string()> as_file,
           std::function<std::string()> as_word) {
    Describe(user, name, unit, help, option);
    rows_.push_back(
        {name, (user & me_) != 0, change == kWhileRunning, std::move(as_file), std::move(as_word), value,
         [](void* to, const void* from) { *static_cast<T*>(to) = *static_cast<const T*>(from); }});
  }
  void Describe(User user, const std::string& name, const std::string& unit, const std::string& help,
                CLI::Option* option) const;

  CLI::App* const app_;
  const User me_;
  std::vector<Row> rows_;
};

// DORMOUSE_ + the option's name in capitals.
std::string EnvironmentName(std::string_view option);

// In options.cc: registers all that there are; what no single one's parser can see, a sentence or nothing.
void DeclareOptions(OptionTable* table, Options* options);
std::string Inconsistency(const Options& options);

}  // namespace dormouse
