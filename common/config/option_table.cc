#include "common/config/option_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

namespace dormouse {
namespace {

std::string InCapitals(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(c));
  return out;
}

}  // namespace

template <typename T>
void OptionTable::Converted(User user, Change change, const std::string& name, T* value,
                            const std::string& unit, const std::string& help, T (*parse)(const std::string&),
                            std::string (*print)(T)) {
  CLI::Option* const option =
      app_->add_option_function<std::string>("--" + name, [name, value, parse](const std::string& text) {
        try {
          *value = parse(text);
        } catch (const std::invalid_argument& error) {
          throw CLI::ValidationError("--" + name, error.what());
        }
      });
  Add(
      user, change, name, unit, help, option->default_str(print(*value)), value,
      [value, print] { return InFile(print(*value)); }, [value, print] { return print(*value); });
}

void OptionTable::Time(User user, Change change, const std::string& name, Duration* value,
                       const std::string& help) {
  Converted(user, change, name, value, "duration", help, &ParseDuration, &FormatDuration);
}

void OptionTable::Size(User user, Change change, const std::string& name, uint64_t* value,
                       const std::string& help) {
  Converted(user, change, name, value, "size", help, &ParseSize, &FormatSize);
}

CLI::Validator OptionTable::NotEmpty(const std::string& unit) {
  return {[unit](const std::string& text) { return text.empty() ? "needs a value: " + unit : ""; }, ""};
}

std::vector<std::string> OptionTable::names() const {
  std::vector<std::string> names;
  names.reserve(rows_.size());
  for (const Row& row : rows_) names.push_back(row.name);
  return names;
}

std::string OptionTable::InFile(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + InFile(value);
  return "[" + text + "]";
}

std::string OptionTable::AsWord(const std::vector<std::string>& values) {
  return fmt::format("{}", fmt::join(values, ","));
}

void OptionTable::Describe(User user, const std::string& name, const std::string& unit,
                           const std::string& help, CLI::Option* option) const {
  option->description(help + " [" + EnvironmentName(name) + "]");
  option->type_name(unit.find('|') == std::string::npos ? InCapitals(unit) : unit);
  if ((user & me_) == 0) option->group("");
}

std::string EnvironmentName(std::string_view option) {
  std::string out = "DORMOUSE_" + InCapitals(option);
  std::ranges::replace(out, '-', '_');
  return out;
}

}  // namespace dormouse
