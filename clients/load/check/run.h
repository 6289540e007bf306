// One run from the first socket to the report: gathers the clients, keeps them busy, stops, looks once more
// at everything that was promised, and judges. One thread.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "clients/load/check/client.h"
#include "clients/load/check/mix.h"
#include "clients/load/check/report.h"
#include "clients/load/commands.h"
#include "clients/load/sockets.h"

namespace dormouse::load::check {

struct Settings {
  std::vector<Endpoint> gateways;
  uint32_t connections = 0;
  uint32_t hubs = 1;
  double asleep = 0;  // share of the hubs
  double rate = 100;  // operations a second, all together
  uint64_t seed = 1;
  Micros duration = 0;  // 0: until somebody says so
  Micros quiet = 0;
  Rules rules;
};

class Run : private Sockets::Handler {
 public:
  explicit Run(const Settings& settings);

  // False: not all clients could connect, and `trouble()` says why.
  bool Gather();
  // Leaves hubs asleep as long as the settings say, then prints `ready`, and keeps the others busy until it
  // is to stop.
  void Work();
  // Waits for what is on its way, and looks for what was promised.
  void Finish();
  // Once finished.
  Report Judge() const;

  const History& history() const { return history_; }
  const std::string& trouble() const { return trouble_; }

 private:
  using Chore = std::function<void()>;

  void OnOpen(size_t index) override { clients_[index].OnOpen(); }
  void OnFrame(size_t index, std::string_view text) override;
  void OnEnd(size_t index, bool was_open, const WebSocket::End& end) override;

  // Time passes until `done`, or until `until`; false: the latter.
  template <typename Done>
  bool Until(Micros until, Done done);
  void Turn();

  void Generate();
  void SendHeartbeats();
  void PokeSleepers();
  void PokeSoon();
  void TakeCommands();

  void AddChores();
  void ListFrom(uint32_t hub, size_t offset);
  void OnListed(uint32_t hub, const JsonObject& page);
  void OnFinalAnswer(const Client& client, const Client::Answer& answer);
  // Everybody who can be is up, and nobody waits for an answer.
  bool IsSettled() const;

  const Settings settings_;
  const Plan plan_;
  History history_;
  Sockets sockets_;
  Stage stage_;
  std::deque<Client> clients_;
  Mix mix_;
  Commands commands_;
  std::string trouble_;

  bool stop_ = false;
  bool working_ = false;
  bool finishing_ = false;
  double owed_ = 0;                            // operations
  Micros generated_at_ = 0;                    // until when they were owed
  Micros ready_at_ = 0;                        //
  double cpu_at_ready_ = 0;                    //
  std::vector<Micros> pokes_;                  // when to poke each hub that sleeps
  size_t next_heartbeat_ = 0;                  // of this client
  Micros heartbeats_from_ = 0;                 // when the first of this round was due
  std::deque<Chore> chores_;                   // final checks to be made
  std::vector<std::vector<uint32_t>> listed_;  // by hub: versions of its clients, as listed so far
};

}  // namespace dormouse::load::check
