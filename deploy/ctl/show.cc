#include "deploy/ctl/show.h"

#include <fmt/format.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string_view>

#include "common/clock.h"
#include "deploy/ctl/table.h"

namespace dormouse {
namespace {

// rapidjson's writer, with a name and a value in one call.
class Json {
 public:
  Json() : writer_(text_) {
    writer_.SetIndent(' ', 2);
    writer_.StartObject();
  }

  Json& Text(const char* name, std::string_view value) {
    Key(name);
    writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    return *this;
  }
  Json& Int(const char* name, int64_t value) {
    Key(name);
    writer_.Int64(value);
    return *this;
  }
  Json& Real(const char* name, double value) {
    Key(name);
    writer_.Double(value);
    return *this;
  }
  Json& Bool(const char* name, bool value) {
    Key(name);
    writer_.Bool(value);
    return *this;
  }
  Json& Null(const char* name) {
    Key(name);
    writer_.Null();
    return *this;
  }
  // A time of the wall clock, twice: to read and to count with.
  Json& Time(const std::string& name, int64_t wall_ms) {
    return Text(name.c_str(), Iso8601(wall_ms)).Int((name + "_ms").c_str(), wall_ms);
  }
  // An array; `write` is called with each of `items`, within an object.
  template <typename Items, typename Write>
  Json& Objects(const char* name, const Items& items, const Write& write) {
    Key(name);
    writer_.StartArray();
    for (const auto& item : items) {
      writer_.StartObject();
      write(item);
      writer_.EndObject();
    }
    writer_.EndArray();
    return *this;
  }
  template <typename Items>
  Json& Texts(const char* name, const Items& items) {
    Key(name);
    writer_.StartArray();
    for (const std::string& item : items) {
      writer_.String(item.data(), static_cast<rapidjson::SizeType>(item.size()));
    }
    writer_.EndArray();
    return *this;
  }

  std::string Finish() {
    writer_.EndObject();
    return std::string(text_.GetString(), text_.GetSize()) + "\n";
  }

 private:
  void Key(const char* name) { writer_.Key(name); }

  rapidjson::StringBuffer text_;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer_;
};

std::string StateOf(const admin::Member& member) {
  std::string state = admin::Member::State_Name(member.state());
  std::ranges::transform(state, state.begin(), [](unsigned char c) { return std::tolower(c); });
  return state;
}

std::string Ago(int64_t then_ms, int64_t now_ms) { return HumanTime(now_ms - then_ms) + " ago"; }

std::string Plural(uint64_t number, const std::string& noun) {
  return HumanNumber(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string AwakeText(bool awake, int64_t idle_ms) {
  return awake ? "awake, idle for " + HumanTime(idle_ms) : "asleep";
}

std::string WhenDue(int64_t due_ms, int64_t now_ms) {
  return (due_ms > now_ms ? "in " + HumanTime(due_ms - now_ms) : "due") + ", " + Iso8601(due_ms);
}

// A timer may be called by any bytes.
std::string ReadableName(std::string_view name) {
  const bool is_text = IsUtf8(name);
  std::string readable;
  for (const char each : name) {
    const auto byte = static_cast<unsigned char>(each);
    readable += byte < 0x20 || byte == 0x7f || (byte > 0x7f && !is_text) ? fmt::format("\\x{:02x}", byte)
                                                                         : std::string(1, each);
  }
  return readable;
}

}  // namespace

std::string ShowMembers(const admin::MembersReply& members, int64_t now_ms, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Objects("members", members.members(), [&](const admin::Member& member) {
      json.Text("id", member.id())
          .Text("address", member.address())
          .Text("version", member.version())
          .Text("state", StateOf(member))
          .Bool("suspected", member.suspected())
          .Int("shards", member.shards())
          .Int("lanes", member.lanes())
          .Time("started", member.started_ms())
          .Bool("asked", member.id() == members.self());
    });
    return json.Int("shard_count", members.shard_count())
        .Int("ownerless_shards", members.ownerless())
        .Finish();
  }
  Table table({"STATEKEEPER", "ADDRESS", "STATE", ">SHARDS", ">LANES", "STARTED", "VERSION"});
  for (const admin::Member& member : members.members()) {
    table.Add({member.id(), member.address(), StateOf(member) + (member.suspected() ? ", suspected" : ""),
               HumanNumber(member.shards()), std::to_string(member.lanes()), Ago(member.started_ms(), now_ms),
               member.version()});
  }
  std::string text = table.Text();
  if (members.ownerless() > 0) {
    text += fmt::format("{} of {} without a living owner.\n", Plural(members.ownerless(), "shard"),
                        HumanNumber(members.shard_count()));
  }
  return text;
}

std::string ShowConfig(const std::vector<ConfigOf>& all, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Objects("processes", all, [&](const ConfigOf& each) {
      const admin::ConfigReply& reply = each.reply;
      json.Text("process", reply.process())
          .Text("id", reply.member())
          .Text("version", reply.version())
          .Text("file", reply.file())
          .Objects("settings", reply.settings(), [&](const admin::ConfigReply::Setting& setting) {
            json.Text("name", setting.name())
                .Text("value", setting.value())
                .Text("source", setting.source())
                .Text("from", setting.from())
                .Bool("reloadable", setting.reloadable());
            if (!setting.pending().empty()) json.Text("pending", setting.pending());
          });
    });
    return json.Finish();
  }
  std::string text;
  for (const ConfigOf& each : all) {
    Table table({"OPTION", "VALUE", "FROM"});
    for (const admin::ConfigReply::Setting& setting : each.reply.settings()) {
      const std::string later =
          setting.pending().empty() ? "" : fmt::format("; after a restart: {}", setting.pending());
      table.Add({setting.name(), setting.value(), setting.from() + later});
    }
    text += fmt::format("{}{}, {}\n{}", text.empty() ? "" : "\n", each.who,
                        each.reply.file().empty() ? "no config file" : each.reply.file(), table.Text());
  }
  return text;
}

std::string ShowShards(const admin::ShardsReply& shards, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Objects("shards", shards.shards(), [&](const admin::Shard& shard) {
      json.Int("shard", shard.shard())
          .Int("epoch", shard.epoch())
          .Text("owner", shard.owner())
          .Bool("owner_lives", shard.owner_lives())
          .Text("avoid", shard.avoid());
    });
    return json.Finish();
  }
  Table table({">SHARD", ">EPOCH", "OWNER", "NOTE"});
  for (const admin::Shard& shard : shards.shards()) {
    std::string note;
    if (shard.owner().empty()) {
      note = "nobody has owned it yet";
    } else if (!shard.owner_lives()) {
      note = "the owner is gone";
    } else if (!shard.avoid().empty()) {
      note = "evicted from " + shard.avoid();
    }
    table.Add({std::to_string(shard.shard()), std::to_string(shard.epoch()),
               shard.owner().empty() ? "-" : shard.owner(), note});
  }
  return table.Text();
}

std::string ShowShardSummary(const admin::ShardsReply& shards, Form form) {
  struct Owner {
    bool lives = false;
    uint64_t shards = 0;
    uint64_t evicted_here = 0;  // from others
  };
  std::map<std::string, Owner> owners;
  for (const admin::Shard& shard : shards.shards()) {
    Owner& owner = owners[shard.owner()];
    owner.lives = shard.owner_lives();
    ++owner.shards;
    if (!shard.avoid().empty() && shard.avoid() != shard.owner()) ++owner.evicted_here;
  }
  if (form == Form::kJson) {
    Json json;
    json.Objects("owners", owners, [&](const auto& owner) {
      json.Text("owner", owner.first)
          .Bool("lives", owner.second.lives)
          .Int("shards", static_cast<int64_t>(owner.second.shards))
          .Int("evicted_from_others", static_cast<int64_t>(owner.second.evicted_here));
    });
    return json.Finish();
  }
  Table table({"OWNER", ">SHARDS", ">EVICTED FROM OTHERS", "NOTE"});
  for (const auto& [id, owner] : owners) {
    table.Add({id.empty() ? "-" : id, HumanNumber(owner.shards), HumanNumber(owner.evicted_here),
               id.empty()    ? "nobody has owned them yet"
               : owner.lives ? ""
                             : "the owner is gone"});
  }
  return table.Text();
}

std::string ShowHubs(const HubList& list, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Objects("hubs", list.hubs, [&](const admin::HubsReply::Hub& hub) {
      json.Text("hub", hub.hub()).Int("shard", hub.shard()).Bool("awake", hub.awake());
      hub.awake() ? json.Int("idle_ms", hub.idle_ms()) : json.Null("idle_ms");
    });
    return json.Bool("complete", list.complete).Finish();
  }
  Table table({"HUB", ">SHARD", "STATE", ">IDLE"});
  uint64_t awake = 0;
  for (const admin::HubsReply::Hub& hub : list.hubs) {
    awake += hub.awake() ? 1 : 0;
    table.Add({hub.hub(), std::to_string(hub.shard()), hub.awake() ? "awake" : "asleep",
               hub.awake() ? HumanTime(hub.idle_ms()) : ""});
  }
  return table.Text() + fmt::format("{}, {} awake{}\n", Plural(list.hubs.size(), "hub"), HumanNumber(awake),
                                    list.complete ? "" : "; there may be more");
}

std::string ShowHub(const admin::HubReply& hub, int64_t now_ms, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Text("hub", hub.hub())
        .Int("shard", hub.shard())
        .Int("epoch", hub.epoch())
        .Text("statekeeper", hub.owner())
        .Bool("awake", hub.awake());
    hub.awake() ? json.Int("idle_ms", hub.idle_ms()) : json.Null("idle_ms");
    json.Int("sockets", static_cast<int64_t>(hub.sockets()))
        .Objects("gateways", hub.gateways(), [&](const admin::HubReply::Gateway& gateway) {
          json.Text("id", gateway.id()).Int("sockets", static_cast<int64_t>(gateway.sockets()));
        });
    hub.has_alarm_due_ms() ? json.Time("alarm_due", hub.alarm_due_ms())
                           : json.Null("alarm_due").Null("alarm_due_ms");
    json.Objects("timers", hub.timers(), [&](const admin::HubReply::Timer& timer) {
      json.Text("name", ReadableName(timer.name())).Time("due", timer.due_ms());
    });
    json.Int("state_bytes", static_cast<int64_t>(hub.state_bytes()))
        .Int("waiting_events", static_cast<int64_t>(hub.waiting_events()))
        .Bool("half_restored", hub.half_restored())
        .Objects("counts", hub.counts(), [&](const admin::HubReply::Count& count) {
          json.Text("name", count.name()).Int("value", count.value());
        });
    return json.Finish();
  }
  Table table({"hub", hub.hub()});
  table.Add({"state", hub.half_restored() ? "half restored: it serves nobody until a restore has ended"
                                          : AwakeText(hub.awake(), hub.idle_ms())});
  table.Add({"statekeeper", hub.owner()});
  table.Add({"shard", fmt::format("{}, epoch {}", hub.shard(), hub.epoch())});
  table.Add({"sockets", HumanNumber(hub.sockets())});
  for (const admin::HubReply::Gateway& gateway : hub.gateways()) {
    table.Add({"", fmt::format("{} at gateway {}", HumanNumber(gateway.sockets()), gateway.id())});
  }
  table.Add({"alarm", hub.has_alarm_due_ms() ? WhenDue(hub.alarm_due_ms(), now_ms) : "none"});
  for (const admin::HubReply::Timer& timer : hub.timers()) {
    table.Add({"timer", fmt::format("{}: {}", ReadableName(timer.name()), WhenDue(timer.due_ms(), now_ms))});
  }
  table.Add({"keyed state", HumanSize(hub.state_bytes())});
  table.Add({"waiting events", HumanNumber(hub.waiting_events())});
  for (const admin::HubReply::Count& count : hub.counts()) {
    table.Add({count.name(), std::to_string(count.value())});
  }
  return table.Text();
}

std::string ShowConnections(const ConnectionList& list, int64_t now_ms, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Text("hub", list.hub)
        .Objects("connections", list.connections, [&](const admin::ConnectionsReply::Connection& connection) {
          json.Text("id", connection.id())
              .Text("gateway", connection.gateway())
              .Time("connected", connection.connected_ms())
              .Time("last_seen", connection.last_seen_ms())
              .Int("attachment_bytes", static_cast<int64_t>(connection.attachment_bytes()))
              .Texts("tags", connection.tags());
        });
    return json.Bool("complete", list.complete).Finish();
  }
  Table table({"CONNECTION", ">CONNECTED", ">LAST SEEN", ">ATTACHMENT", "TAGS"});
  for (const admin::ConnectionsReply::Connection& connection : list.connections) {
    table.Add({connection.id(), Ago(connection.connected_ms(), now_ms),
               Ago(connection.last_seen_ms(), now_ms), HumanSize(connection.attachment_bytes()),
               fmt::format("{}", fmt::join(connection.tags(), " "))});
  }
  return table.Text() + fmt::format("{}{}\n", Plural(list.connections.size(), "connection"),
                                    list.complete ? "" : "; there are more");
}

std::string ShowHibernated(const std::string& hub, const admin::HibernateReply& reply, Form form) {
  if (form == Form::kJson) return Json().Text("hub", hub).Text("statekeeper", reply.owner()).Finish();
  return fmt::format("{} sleeps; its shard is with {}.\n", hub, reply.owner());
}

std::string ShowEvicted(const std::string& mode, const std::vector<admin::EvictReply>& replies, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Text("mode", mode).Objects("evicted", replies, [&](const admin::EvictReply& reply) {
      json.Text("statekeeper", reply.owner())
          .Int("shards", reply.shards())
          .Int("hubs_closed", static_cast<int64_t>(reply.hubs()));
    });
    return json.Finish();
  }
  std::string text;
  for (const admin::EvictReply& reply : replies) {
    text += mode == "close"
                ? fmt::format("Closed {} of {}.\n", Plural(reply.hubs(), "hub"), reply.owner())
                : fmt::format("{} handed over by {}.\n", Plural(reply.shards(), "shard"), reply.owner());
  }
  return text;
}

std::string ShowDrained(const admin::DrainRequest& request, const admin::DrainReply& reply, Form form) {
  if (form == Form::kJson) {
    return Json()
        .Text("statekeeper", reply.member())
        .Bool("draining", !request.undo())
        .Bool("empty", request.wait() && !request.undo())
        .Finish();
  }
  if (request.undo()) return fmt::format("{} serves again.\n", reply.member());
  if (request.wait())
    return fmt::format("{} has handed over everything and can be stopped.\n", reply.member());
  return fmt::format("{} hands over its shards; dormousectl members shows how many are left.\n",
                     reply.member());
}

std::string ShowRestored(const RestoredCount& count, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Int("restored", static_cast<int64_t>(count.restored))
        .Int("restored_before", static_cast<int64_t>(count.before))
        .Int("kept", static_cast<int64_t>(count.kept));
    if (count.app) json.Text("app", count.app->app).Text("app_version", count.app->version);
    return json.Finish();
  }
  std::string text = fmt::format("Restored {}", Plural(count.restored, "hub"));
  if (count.before > 0)
    text += fmt::format(", beside {} before it was interrupted", HumanNumber(count.before));
  if (count.kept > 0) text += fmt::format("; {} exist and were left alone", HumanNumber(count.kept));
  return (count.app ? ShowDeployed(*count.app, form) : "") + text + ".\n";
}

std::string ShowDeployed(const Deployed& deployed, Form form) {
  if (form == Form::kJson) {
    return Json()
        .Text("app", deployed.app)
        .Text("version", deployed.version)
        .Text("before", deployed.before)
        .Texts("statekeepers", deployed.statekeepers)
        .Finish();
  }
  if (deployed.before == deployed.version)
    return fmt::format("Version {} of app {} is the current one already; {} serve it.\n", deployed.version,
                       deployed.app, Plural(deployed.statekeepers.size(), "statekeeper"));
  return fmt::format("Version {} of app {} is live at {}{}.\n", deployed.version, deployed.app,
                     Plural(deployed.statekeepers.size(), "statekeeper"),
                     deployed.before.empty() ? "" : "; before it was " + deployed.before);
}

std::string ShowVersions(const app::Record& record, int64_t now_ms, Form form) {
  // The newest first.
  const std::vector<app::Version> versions(record.versions().rbegin(), record.versions().rend());
  if (form == Form::kJson) {
    Json json;
    json.Text("app", record.name()).Text("current", record.current());
    json.Objects("versions", versions, [&](const app::Version& version) {
      json.Text("version", version.version())
          .Bool("current", version.version() == record.current())
          .Time("deployed", version.deployed_ms())
          .Int("bytes", static_cast<int64_t>(version.bytes()))
          .Text("by", version.by())
          .Texts("classes", version.classes());
    });
    return json.Text("under_way", record.under_way().version().version()).Finish();
  }
  if (versions.empty() && !record.has_under_way())
    return "Nothing was deployed to this cluster. dormousectl deploy DIR does that.\n";
  Table table({"VERSION", "", ">DEPLOYED", ">SIZE", "BY", "CLASSES"});
  for (const app::Version& version : versions) {
    table.Add({version.version(), version.version() == record.current() ? "current" : "",
               Ago(version.deployed_ms(), now_ms), HumanSize(version.bytes()), version.by(),
               fmt::format("{}", fmt::join(version.classes(), " "))});
  }
  std::string text = fmt::format("App {}\n{}", record.name(), table.Text());
  if (record.has_under_way() && record.under_way().until_ms() > now_ms) {
    text += fmt::format("Version {} is being deployed by {}.\n", record.under_way().version().version(),
                        record.under_way().version().by());
  }
  return text;
}

std::string ShowBackup(const std::string& file, const BackupSummary& summary, Form form) {
  const auto& [header, end, size, app] = summary;
  if (form == Form::kJson) {
    Json json;
    json.Text("file", file)
        .Text("backup", fmt::format("{:016x}", header.id()))
        .Text("cluster", header.cluster())
        .Text("version", header.version())
        .Int("stored_format", header.stored_format())
        .Int("shards", header.shards())
        .Time("begun", header.begun_ms())
        .Time("ended", end.ended_ms())
        .Int("hubs", static_cast<int64_t>(end.hubs()))
        .Int("rows", static_cast<int64_t>(end.rows()))
        .Int("bytes", static_cast<int64_t>(end.bytes()))
        .Int("file_bytes", static_cast<int64_t>(size));
    if (!app.versions().empty())
      json.Text("app", app.name())
          .Text("app_version", app.current())
          .Int("app_versions", app.versions_size());
    return json.Finish();
  }
  Table table({"file", file});
  table.Add({"taken", fmt::format("from {} to {}", Iso8601(header.begun_ms()), Iso8601(end.ended_ms()))});
  table.Add({"of", fmt::format("cluster {}, {} shards, Dormouse {}, format {}", header.cluster(),
                               header.shards(), header.version(), header.stored_format())});
  table.Add({"holds", fmt::format("{}, {}, {}", Plural(end.hubs(), "hub"), Plural(end.rows(), "row"),
                                  HumanSize(end.bytes()))});
  if (!app.versions().empty())
    table.Add({"app", fmt::format("{}, version {}{}", app.name(), app.current(),
                                  app.versions_size() == 1
                                      ? ""
                                      : fmt::format(" and {} before it", app.versions_size() - 1))});
  table.Add({"checksums", "right"});
  return table.Text();
}

std::string ShowHistory(const StoredHub& hub, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Text("hub", hub.name);
    hub.changes.empty() ? json.Null("first") : json.Int("first", static_cast<int64_t>(hub.first_state()));
    json.Int("last", static_cast<int64_t>(hub.last_change));
    json.Objects("changes", hub.changes, [&json](const auto& each) {
      json.Int("change", static_cast<int64_t>(each.first))
          .Time("at", each.second.at_ms())
          .Int("rows", each.second.rows_size())
          .Bool("timers", each.second.has_timers())
          .Int("bytes", static_cast<int64_t>(each.second.ByteSizeLong()));
    });
    return json.Finish();
  }
  if (hub.changes.empty()) {
    return fmt::format("No change of {} is kept; option hub-history of the statekeepers says how many are.\n",
                       hub.name);
  }
  Table table({">CHANGE", "AT", ">ROWS", "TIMERS", ">KEPT"});
  for (const auto& [number, change] : hub.changes) {
    table.Add({std::to_string(number), Iso8601(change.at_ms()),
               HumanNumber(static_cast<uint64_t>(change.rows_size())), change.has_timers() ? "changed" : "-",
               HumanSize(change.ByteSizeLong())});
  }
  return table.Text() + fmt::format("\n{} can go back to how it was after changes {} to {}.\n", hub.name,
                                    hub.first_state(), hub.last_change);
}

std::string ShowRewound(const StoredHub& hub, Form form) {
  if (form == Form::kJson) {
    return Json()
        .Text("hub", hub.name)
        .Int("change", static_cast<int64_t>(hub.last_change))
        .Int("rows", static_cast<int64_t>(hub.rows.size()))
        .Finish();
  }
  return fmt::format("{} is as it was after change {}, with {}.\n", hub.name, hub.last_change,
                     Plural(hub.rows.size(), "row"));
}

std::string ShowImported(const std::string& hub, const HubLines& lines, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Text("hub", hub).Int("rows", static_cast<int64_t>(lines.rows.size()));
    lines.alarm_ms ? json.Time("alarm", *lines.alarm_ms) : json.Null("alarm").Null("alarm_ms");
    return json.Int("timers", static_cast<int64_t>(lines.timers.size())).Finish();
  }
  return fmt::format("{} has {}{}{}.\n", hub, Plural(lines.rows.size(), "row"),
                     lines.timers.empty() ? "" : ", " + Plural(lines.timers.size(), "timer"),
                     lines.alarm_ms ? ", and its alarm at " + Iso8601(*lines.alarm_ms) : "");
}

std::string ShowLoad(const std::vector<LoadRow>& rows, int64_t now_ms, Form form) {
  if (form == Form::kJson) {
    Json json;
    json.Time("at", now_ms).Objects("statekeepers", rows, [&](const LoadRow& row) {
      json.Text("id", row.member.id()).Text("address", row.member.address());
      json.Text("state", StateOf(row.member)).Int("shards", row.member.shards());
      json.Bool("answered", row.answered);
      if (!row.answered) return;
      json.Int("hubs_awake", static_cast<int64_t>(row.load.hubs_awake()))
          .Int("gateways", static_cast<int64_t>(row.load.gateways()))
          .Real("events_per_second", row.events)
          .Real("deliveries_per_second", row.deliveries)
          .Real("commits_per_second", row.commits)
          .Int("commit_failures", static_cast<int64_t>(row.load.commit_failures()))
          .Int("unacknowledged_bytes", static_cast<int64_t>(row.load.unacknowledged_bytes()))
          .Bool("store_healthy", row.load.store_healthy());
    });
    return json.Finish();
  }
  Table table({"STATEKEEPER", "STATE", ">SHARDS", ">HUBS", ">GATEWAYS", ">EVENTS/S", ">SENDS/S", ">COMMITS/S",
               ">UNACKED", "STORE"});
  for (const LoadRow& row : rows) {
    const admin::LoadReply& load = row.load;
    std::vector<std::string> cells = {row.member.id(), StateOf(row.member), HumanNumber(row.member.shards())};
    if (row.answered) {
      for (const std::string& cell :
           {HumanNumber(load.hubs_awake()), HumanNumber(load.gateways()), HumanRate(row.events),
            HumanRate(row.deliveries), HumanRate(row.commits), HumanSize(load.unacknowledged_bytes()),
            std::string(load.store_healthy() ? "ok" : "failing")}) {
        cells.push_back(cell);
      }
    } else {
      cells.insert(cells.end(), {"-", "-", "-", "-", "-", "-", "no answer"});
    }
    table.Add(std::move(cells));
  }
  return table.Text();
}

}  // namespace dormouse
