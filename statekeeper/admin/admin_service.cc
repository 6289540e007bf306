#include "statekeeper/admin/admin_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "common/logging.h"
#include "common/rpc/unary_call.h"
#include "common/version.h"
#include "proto/admin.grpc.pb.h"
#include "statekeeper/admin/find_member.h"
#include "statekeeper/admin/forwarder.h"
#include "statekeeper/admin/hub_copies.h"
#include "statekeeper/admin/hub_page.h"
#include "statekeeper/admin/load.h"
#include "statekeeper/admin/operator_status.h"
#include "statekeeper/admin/replies.h"
#include "statekeeper/admin/shard_orders.h"

namespace dormouse {
namespace {

using grpc::StatusCode;
using Context = grpc::ServerContext;
using Async = admin::Admin::AsyncService;
using Stub = admin::Admin::StubInterface;
template <typename Reply>
using Call = std::shared_ptr<UnaryCall<Reply>>;

constexpr size_t kMaxConnections = 1000;

auto ByMember(const std::string& name) {
  return [&name](const ClusterView& view, grpc::Status* status) { return FindMember(view, name, status); };
}

void Note(const Context& context, const std::string& what) {
  SPDLOG_INFO("operator at {}: {}", context.peer(), what);
}

template <typename Reply>
AppOperator::Answer<Reply> AnswerTo(const Call<Reply>& call) {
  return [call](const grpc::Status& status, const Reply& reply) {
    if (status.ok()) return call->Answer(reply);
    call->Refuse(status);
  };
}

class Service final : public LinkService {
 public:
  Service(std::shared_ptr<const LinkCredentials> credentials, ClusterAdmin* cluster, LaneOperator* operators,
          std::shared_ptr<prometheus::Registry> registry, const ConfigurationInEffect* configuration,
          AppOperator* apps)
      : forwarder_(std::move(credentials)),
        cluster_(cluster),
        operators_(operators),
        registry_(std::move(registry)),
        configuration_(configuration),
        apps_(apps),
        orders_(cluster, operators, registry_.get()) {}

  // LinkService
  grpc::Service* service() override { return &service_; }
  void Serve(CompletionThread* thread) override {
    thread_ = thread;
    Take(&Async::RequestMembers, &Service::Members);
    Take(&Async::RequestConfig, &Service::Config);
    Take(&Async::RequestShards, &Service::Shards);
    Take(&Async::RequestHubs, &Service::Hubs);
    Take(&Async::RequestHub, &Service::Hub);
    Take(&Async::RequestConnections, &Service::Connections);
    Take(&Async::RequestHibernate, &Service::Hibernate);
    Take(&Async::RequestEvict, &Service::Evict);
    Take(&Async::RequestDrain, &Service::Drain);
    Take(&Async::RequestLoad, &Service::Load);
    Take(&Async::RequestReadHubs, &Service::ReadHubs);
    Take(&Async::RequestReadHub, &Service::ReadHub);
    Take(&Async::RequestRestoreHubs, &Service::RestoreHubs);
    Take(&Async::RequestAppVersions, &Service::AppVersions);
    Take(&Async::RequestBeginDeployment, &Service::BeginDeployment);
    Take(&Async::RequestUploadApp, &Service::UploadApp);
    Take(&Async::RequestEndDeployment, &Service::EndDeployment);
    Take(&Async::RequestServeApp, &Service::ServeApp);
    Take(&Async::RequestReadVersion, &Service::ReadVersion);
    Take(&Async::RequestStoreVersion, &Service::StoreVersion);
  }

 private:
  template <typename RequestCall, typename Request, typename Reply>
  void Take(RequestCall request_call,
            void (Service::*handler)(const Context&, const Request&, const Call<Reply>&)) {
    AcceptUnary(thread_, &service_, request_call,
                [this, handler](const Context& context, const Request& request, const Call<Reply>& call) {
                  (this->*handler)(context, request, call);
                });
  }

  void Members(const Context& context, const admin::MembersRequest& request,
               const Call<admin::MembersReply>& call) {
    Route(context, request, call, &Stub::AsyncMembers, FindSelf,
          [&call](const ClusterView& view) { call->Answer(ListMembers(view)); });
  }

  void Config(const Context& context, const admin::ConfigRequest& request,
              const Call<admin::ConfigReply>& call) {
    Route(context, request, call, &Stub::AsyncConfig, ByMember(request.member()),
          [this, &call](const ClusterView& view) {
            admin::ConfigReply reply;
            if (configuration_ != nullptr) reply = ToProto(*configuration_->Get());
            reply.set_version(VersionText());
            reply.set_member(SelfId(view));
            call->Answer(reply);
          });
  }

  void Shards(const Context& context, const admin::ShardsRequest& request,
              const Call<admin::ShardsReply>& call) {
    Route(context, request, call, &Stub::AsyncShards, FindSelf, [&request, &call](const ClusterView& view) {
      admin::ShardsReply reply;
      const grpc::Status status = ListShards(view, request, &reply);
      if (!status.ok()) return call->Refuse(status);
      call->Answer(reply);
    });
  }

  void Hubs(const Context& context, const admin::HubsRequest& request, const Call<admin::HubsReply>& call) {
    const auto whom = [&request](const ClusterView& view, grpc::Status* status) {
      return request.has_shard() ? FindOwner(view, request.shard(), status)
                                 : FindMember(view, request.member(), status);
    };
    Route(context, request, call, &Stub::AsyncHubs, whom, [this, &request, &call](const ClusterView& view) {
      if (!request.hub_class().empty() &&
          std::ranges::find(view.classes, request.hub_class()) == view.classes.end()) {
        return call->Refuse(
            {StatusCode::NOT_FOUND, fmt::format("There is no hub class {}; these there are: {}.",
                                                request.hub_class(), fmt::join(view.classes, ", "))});
      }
      grpc::Status unused;
      AnswerHubPage(operators_,
                    request.has_shard() ? std::vector{static_cast<ShardId>(request.shard())}
                                        : ShardsOf(view, *FindSelf(view, &unused)),
                    request, call);
    });
  }

  void Hub(const Context& context, const admin::HubRequest& request, const Call<admin::HubReply>& call) {
    RouteHub(context, request, call, &Stub::AsyncHub, [this, &call](const auto& hub, const auto& self) {
      operators_->DescribeHub(hub, [hub, self, call](OperatorStatus status, const HubReport& report) {
        if (status != OperatorStatus::kOk) return call->Refuse(ToGrpc(status, "Hub " + hub));
        call->Answer(Describe(report, self));
      });
    });
  }

  void Connections(const Context& context, const admin::ConnectionsRequest& request,
                   const Call<admin::ConnectionsReply>& call) {
    const size_t limit =
        request.limit() == 0 ? kMaxConnections : std::min<size_t>(request.limit(), kMaxConnections);
    RouteHub(context, request, call, &Stub::AsyncConnections,
             [this, &request, &call, limit](const auto& hub, const auto&) {
               operators_->ListConnections(
                   hub, request.after(), limit,
                   [hub, limit, call](OperatorStatus status, const auto& connections) {
                     if (status != OperatorStatus::kOk) return call->Refuse(ToGrpc(status, "Hub " + hub));
                     call->Answer(ListConnections(connections, limit));
                   });
             });
  }

  void Hibernate(const Context& context, const admin::HibernateRequest& request,
                 const Call<admin::HibernateReply>& call) {
    RouteHub(context, request, call, &Stub::AsyncHibernate,
             [this, &context, &call](const auto& hub, const auto& self) {
               Note(context, "hibernate " + hub);
               operators_->HibernateHub(hub, [hub, self, call](OperatorStatus status) {
                 if (status != OperatorStatus::kOk) return call->Refuse(ToGrpc(status, "Hub " + hub));
                 admin::HibernateReply done;
                 done.set_owner(self);
                 call->Answer(done);
               });
             });
  }

  void Evict(const Context& context, const admin::EvictRequest& request,
             const Call<admin::EvictReply>& call) {
    const auto whom = [&request](const ClusterView& view, grpc::Status* status) -> const MemberView* {
      if (request.mode() != admin::EvictRequest::MIGRATE && request.mode() != admin::EvictRequest::CLOSE) {
        *status = {StatusCode::INVALID_ARGUMENT, "The mode must be migrate or close."};
        return nullptr;
      }
      if (request.has_hub()) return FindOwnerOfHub(view, request.hub(), status);
      if (request.has_member()) return FindMember(view, request.member(), status);
      return FindOwnerOfAll(view, request.shards().shards(), status);
    };
    Route(context, request, call, &Stub::AsyncEvict, whom,
          [this, &context, &request, &call](const ClusterView& view) {
            Note(context, fmt::format("evict {}", request.ShortDebugString()));
            orders_.Evict(view, request, call);
          });
  }

  void Drain(const Context& context, const admin::DrainRequest& request,
             const Call<admin::DrainReply>& call) {
    Route(context, request, call, &Stub::AsyncDrain, ByMember(request.member()),
          [this, &context, &request, &call](const ClusterView& view) {
            Note(context, request.undo() ? "undo drain" : "drain");
            orders_.Drain(view, request, call);
          });
  }

  void Load(const Context& context, const admin::LoadRequest& request, const Call<admin::LoadReply>& call) {
    Route(context, request, call, &Stub::AsyncLoad, ByMember(request.member()),
          [this, &call](const ClusterView& view) {
            admin::LoadReply load = ReadLoad(*registry_);
            load.set_member(SelfId(view));
            call->Answer(load);
          });
  }

  void ReadHubs(const Context& context, const admin::ReadHubsRequest& request,
                const Call<admin::ReadHubsReply>& call) {
    Route(
        context, request, call, &Stub::AsyncReadHubs,
        [&request](const ClusterView& view, grpc::Status* status) {
          return FindOwner(view, request.shard(), status);
        },
        [this, &request, &call](const ClusterView&) { AnswerReadHubs(operators_, request, call); });
  }

  void ReadHub(const Context& context, const admin::ReadHubRequest& request,
               const Call<admin::ReadHubReply>& call) {
    RouteHub(context, request, call, &Stub::AsyncReadHub,
             [this, &request, &call](const auto&, const auto&) { AnswerReadHub(operators_, request, call); });
  }

  void RestoreHubs(const Context& context, const admin::RestoreHubsRequest& request,
                   const Call<admin::RestoreHubsReply>& call) {
    const std::string first = request.hubs().empty() ? "" : request.hubs(0).part().hub();
    Route(
        context, request, call, &Stub::AsyncRestoreHubs,
        [&first](const ClusterView& view, grpc::Status* status) {
          return FindOwnerOfHub(view, first, status);
        },
        [this, &context, &request, &call, &first](const ClusterView&) {
          if (runs_.insert(request.run()).second)
            Note(context, fmt::format("restore {:016x}, beginning with {}", request.run(), first));
          AnswerRestoreHubs(operators_, request, call);
        });
  }

  void AppVersions(const Context&, const admin::AppVersionsRequest& request,
                   const Call<admin::AppVersionsReply>& call) {
    if (apps_ == nullptr && request.or_none()) {
      admin::AppVersionsReply reply;
      reply.set_is_of_directory(true);
      return call->Answer(reply);
    }
    if (RefusesApps(call)) return;
    apps_->Versions(AnswerTo(call));
  }

  void BeginDeployment(const Context& context, const admin::BeginDeploymentRequest& request,
                       const Call<admin::BeginDeploymentReply>& call) {
    if (RefusesApps(call)) return;
    if (tokens_.insert(request.token()).second)
      Note(context, fmt::format("deploy version {} of app {}", request.version().version(), request.name()));
    apps_->Begin(request, AnswerTo(call));
  }

  void UploadApp(const Context&, const admin::UploadAppRequest& request,
                 const Call<admin::UploadAppReply>& call) {
    if (RefusesApps(call)) return;
    apps_->Upload(request, AnswerTo(call));
  }

  void EndDeployment(const Context& context, const admin::EndDeploymentRequest& request,
                     const Call<admin::EndDeploymentReply>& call) {
    if (RefusesApps(call)) return;
    Note(context, request.activate() ? "make the version the current one" : "give the deployment up");
    apps_->End(request, AnswerTo(call));
  }

  void ServeApp(const Context& context, const admin::ServeAppRequest& request,
                const Call<admin::ServeAppReply>& call) {
    Route(context, request, call, &Stub::AsyncServeApp, ByMember(request.member()),
          [this, &request, &call](const ClusterView&) {
            if (RefusesApps(call)) return;
            apps_->Serve(request, AnswerTo(call));
          });
  }

  void ReadVersion(const Context&, const admin::ReadVersionRequest& request,
                   const Call<admin::ReadVersionReply>& call) {
    if (RefusesApps(call)) return;
    apps_->Read(request, AnswerTo(call));
  }

  void StoreVersion(const Context&, const admin::StoreVersionRequest& request,
                    const Call<admin::StoreVersionReply>& call) {
    if (RefusesApps(call)) return;
    apps_->Store(request, AnswerTo(call));
  }

  template <typename Reply>
  bool RefusesApps(const Call<Reply>& call) const {
    if (apps_ != nullptr) return false;
    call->Refuse(
        {StatusCode::FAILED_PRECONDITION,
         "This statekeeper runs the app of a directory (its option app), which is built there and looked at "
         "again. To deploy versions, start the cluster without that option."});
    return true;
  }

  // `find(view, &status)`: the member that the question concerns. `here(view)`: answers, where that is
  // this one.
  template <typename Request, typename Reply, typename Find, typename Here>
  void Route(const Context& context, const Request& request, const Call<Reply>& call,
             Forwarder::Method<Request, Reply> method, const Find& find, const Here& here) {
    grpc::Status status;
    const std::shared_ptr<const ClusterView> view = cluster_->View();
    const MemberView* const member = find(*view, &status);
    if (member == nullptr) {
      call->Refuse(status);
    } else if (member->is_self) {
      here(*view);
    } else if (Forwarder::IsForwarded(context)) {
      call->Refuse({StatusCode::ABORTED,
                    fmt::format("What this concerns went to statekeeper {} meanwhile.", member->id)});
    } else {
      forwarder_.Forward(thread_, *member, context, request, method, call);
    }
  }

  // Of one hub: `here(hub, id of this member)`.
  template <typename Request, typename Reply, typename Here>
  void RouteHub(const Context& context, const Request& request, const Call<Reply>& call,
                Forwarder::Method<Request, Reply> method, const Here& here) {
    const std::string& hub = request.hub();
    Route(
        context, request, call, method,
        [&hub](const ClusterView& view, grpc::Status* status) { return FindOwnerOfHub(view, hub, status); },
        [&hub, &here](const ClusterView& view) { here(hub, SelfId(view)); });
  }

  const Forwarder forwarder_;
  ClusterAdmin* const cluster_;
  LaneOperator* const operators_;
  const std::shared_ptr<prometheus::Registry> registry_;
  const ConfigurationInEffect* const configuration_;
  AppOperator* const apps_;
  const ShardOrders orders_;
  Async service_;
  CompletionThread* thread_ = nullptr;
  std::set<std::string> tokens_;  // deployments that the log tells of; the completion thread's
  std::set<uint64_t> runs_;       // restores that the log tells of; the completion thread's
};

}  // namespace

std::unique_ptr<LinkService> NewAdminService(std::shared_ptr<const LinkCredentials> credentials,
                                             ClusterAdmin* cluster, LaneOperator* operators,
                                             std::shared_ptr<prometheus::Registry> registry,
                                             const ConfigurationInEffect* configuration, AppOperator* apps) {
  return std::make_unique<Service>(std::move(credentials), cluster, operators, std::move(registry),
                                   configuration, apps);
}

}  // namespace dormouse
