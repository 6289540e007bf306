// Has this statekeeper serve the version of the app that the cluster's record names (proto/app.proto): looks at it at
// the start, every few seconds, and when an operator says so; fetches what is new from the store, checks and unpacks
// it, starts its worker, and has the lanes use it. What does not come up changes nothing: the version before goes on.
//
//   record in the store ──> Look ──> Candidate: fetched, unpacked, its worker started, up ──> used
//   ServeApp(only_prepare) ─────────────^ waits here ──> given up after a while, if nobody makes it current
//
// One candidate at a time; the store lets one deployment be under way at a time. Memory: a bundle while it is fetched.
//
// Threading: construct, Start and Stop on the main thread; the operator's side on any. It has a thread of its own, with
// a loop and a ClusterStore, on which all callbacks run.
#pragma once

#include <ev.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/bundle/app_bundle.h"
#include "common/loop/task_queue.h"
#include "common/time.h"
#include "statekeeper/apps/app_operator.h"
#include "statekeeper/apps/version_directories.h"
#include "statekeeper/classes/worker/worker_app.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

// Who waits for a version. `status`: it is live, or (only_prepare) could be; or why not.
struct VersionWaiter {
  bool only_prepare = false;
  std::function<void(const grpc::Status& status)> answer;
};

// A version that comes up here.
struct VersionCandidate {
  enum class Stage { kFetching, kStarting, kUp, kUsing };
  app::Version version;
  Stage stage = Stage::kFetching;
  uint64_t number = 0;
  std::string bundle;     // what there is of it
  std::string directory;  // not empty: unpacked there
  std::shared_ptr<WorkerApp> app;
  SteadyTime since;  // of the stage
  SteadyTime asked;  // by somebody for the last time
  SteadyTime connected;
  std::vector<VersionWaiter> waiters;
};

// Of a version that did not come up.
struct VersionFailure {
  std::string version;
  std::string why;
  SteadyTime again;
  Duration pause{0};
};

class AppKeeper final : public AppOperator {
 public:
  struct Config {
    std::string member;              // id of this statekeeper
    std::string directory;           // where versions are unpacked, below a directory of this member's own
    std::vector<std::string> taken;  // names of classes that an app cannot have
    BundleLimits limits = {};
    std::function<std::unique_ptr<ClusterStore>(struct ev_loop*)> new_store;
    // Starts its worker, and nothing else. nullptr: `*error` is a sentence.
    std::function<std::shared_ptr<WorkerApp>(AppManifest manifest, std::string* error)> start;
    // Makes it the live one. `done`, from any thread: once all lanes use it; or not, with a sentence.
    std::function<void(std::shared_ptr<WorkerApp> app, std::function<void(std::string error)> done)> use;
    // Once: it serves what it is to serve, and may join the cluster.
    std::function<void()> settled;
  };

  // nullptr: `*error` is a sentence.
  static std::unique_ptr<AppKeeper> New(Config config, std::string* error);
  ~AppKeeper() override;

  void Start();
  void Stop();

  // Why it is not settled yet, in a sentence; empty: it is. Any thread.
  std::string NotSettled() const;

  // AppOperator
  void Versions(Answer<admin::AppVersionsReply> answer) override;
  void Begin(admin::BeginDeploymentRequest request, Answer<admin::BeginDeploymentReply> answer) override;
  void Upload(admin::UploadAppRequest request, Answer<admin::UploadAppReply> answer) override;
  void End(admin::EndDeploymentRequest request, Answer<admin::EndDeploymentReply> answer) override;
  void Serve(admin::ServeAppRequest request, Answer<admin::ServeAppReply> answer) override;
  void Read(admin::ReadVersionRequest request, Answer<admin::ReadVersionReply> answer) override;
  void Store(admin::StoreVersionRequest request, Answer<admin::StoreVersionReply> answer) override;

 private:
  using Waiter = VersionWaiter;
  using Candidate = VersionCandidate;
  using Failure = VersionFailure;
  using RecordChange = std::function<grpc::Status(app::Record* record, std::vector<app::Version>* garbage)>;

  explicit AppKeeper(Config config, std::unique_ptr<VersionDirectories> directories);
  void Run();
  void OnTick();
  void TickIn(Duration duration);

  // The record, as it is now. `then` hears of a store that does not answer, too.
  void Look(std::function<void(const grpc::Status& status)> then);
  grpc::Status OnRecord(StoreStatus status, const std::optional<std::string>& value);
  void Follow();
  void Change(RecordChange change, std::function<void(const grpc::Status& status)> done, int tries);
  void Remove(const std::vector<app::Version>& garbage);
  void Want(const app::Version& version, std::optional<Waiter> waiter);

  void FetchNext();
  void OnFetched(uint64_t number, StoreStatus status, std::optional<std::string> chunk);
  void StartWorker();
  std::string Unpack();  // why not
  void CheckWorker(SteadyTime now);
  void UseIfCurrent();
  void OnUsed(uint64_t number, const std::string& error);
  void Fail(const std::string& why);
  void GiveUp(const grpc::Status& status);
  void Settle();
  void SetNotSettled(std::string why);

  const Config config_;
  struct ev_loop* const loop_;
  const std::shared_ptr<TaskQueue> queue_;
  ev_timer tick_;
  std::thread thread_;

  // The thread's.
  std::unique_ptr<VersionDirectories> directories_;
  std::unique_ptr<ClusterStore> store_;
  bool is_looking_ = false;
  bool is_settled_ = false;
  SteadyTime looked_;
  app::Record record_;
  std::string live_;  // the version that lanes use; empty: none
  uint64_t numbers_ = 0;
  std::optional<Candidate> candidate_;
  std::optional<Failure> failure_;

  mutable std::mutex mutex_;
  std::string not_settled_ = "the store has not said yet which app the cluster runs";
};

}  // namespace dormouse
