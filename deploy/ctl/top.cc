// dormousectl top (commands.h).

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "deploy/ctl/commands.h"

namespace dormouse {
namespace {

constexpr Duration kTopPatience{1'000};  // with each statekeeper
constexpr char kHomeAndClear[] = "\033[H\033[2J";

using Loads = std::map<std::string, admin::LoadReply>;

Loads Measure(ClusterClient* cluster) {
  Loads loads;
  for (const admin::Member& member : cluster->members().members()) {
    admin::LoadRequest request;
    request.set_member(member.id());
    auto load = cluster->TryOnce(&admin::Admin::StubInterface::Load, request, kTopPatience);
    if (load.has_value()) loads[member.id()] = std::move(*load);
  }
  return loads;
}

std::vector<LoadRow> Compare(const admin::MembersReply& members, const Loads& before, const Loads& now) {
  std::vector<LoadRow> rows;
  for (const admin::Member& member : members.members()) {
    LoadRow row;
    row.member = member;
    const auto then = before.find(member.id());
    if (const auto found = now.find(member.id()); found != now.end()) {
      row.answered = true;
      row.load = found->second;
      const double seconds =
          then == before.end() ? 0 : static_cast<double>(row.load.at_ms() - then->second.at_ms()) / 1000;
      const auto rate = [&](uint64_t (admin::LoadReply::*count)() const) {
        if (seconds <= 0) return 0.0;
        return static_cast<double>((row.load.*count)() - (then->second.*count)()) / seconds;
      };
      row.events = rate(&admin::LoadReply::events);
      row.deliveries = rate(&admin::LoadReply::deliveries);
      row.commits = rate(&admin::LoadReply::commits);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

void Top(ClusterClient* cluster, bool once, Duration interval, Form form) {
  const bool redraws = !once && isatty(STDOUT_FILENO) != 0;
  Loads before = Measure(cluster);
  while (true) {
    std::this_thread::sleep_for(interval);
    cluster->Find();
    Loads now = Measure(cluster);
    const std::string picture = ShowLoad(Compare(cluster->members(), before, now), WallMs(), form);
    std::printf("%s%s%s", redraws ? kHomeAndClear : "", picture.c_str(), once || redraws ? "" : "\n");
    std::fflush(stdout);
    if (once) return;
    before = std::move(now);
  }
}

}  // namespace dormouse
