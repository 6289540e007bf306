// dormousectl's commands that copy the state of hubs: the whole cluster's into a backup file and back
// (backup_file.h), one hub's as text and back (hub_lines.h). As those of commands.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deploy/ctl/cluster_client.h"
#include "deploy/ctl/show.h"

namespace dormouse {

struct BackupOptions {
  std::string file;
  bool afresh = false;  // not to go on with one that was interrupted
  bool fast = false;    // without pauses
};
void Backup(ClusterClient* cluster, const BackupOptions& options, Form form);

// Needs no cluster.
void Verify(const std::string& file, Form form);

struct RestoreOptions {
  std::string file;
  bool replace = false;  // hubs that exist
  bool keep = false;     // these stay as they are
  bool afresh = false;
  std::vector<std::string> hubs;  // only these; empty: all
};
void Restore(ClusterClient* cluster, const RestoreOptions& options, Form form);

// `at`: as it was after that change.
void Export(ClusterClient* cluster, const std::string& hub, const std::optional<uint64_t>& at);

// The changes of a hub that can be taken back.
void History(ClusterClient* cluster, const std::string& hub, Form form);
// Puts a hub back to how it was after a change.
void Rewind(ClusterClient* cluster, const std::string& hub, uint64_t to, Form form);

struct ImportOptions {
  std::string hub;
  std::string file;  // "-": standard input
  bool replace = false;
};
void Import(ClusterClient* cluster, const ImportOptions& options, Form form);

}  // namespace dormouse
