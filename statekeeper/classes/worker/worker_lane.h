// What one lane has of an app's worker: the connection, the objects that live in the worker, and the events that wait
// for it.
//
//   WorkerHub --Send--> queue of its object --> connection --> worker
//   worker --> turns, reads --> HubPort::Resume of the object's hub; calls --> HubCaller
//
// When the connection ends, or the worker does not answer, its objects are gone: their hubs make new ones
// (HubPort::Restart), and their events that were not done come again. Those are suspects: one of them may have ended
// the worker. Of all lanes that share it only one of them at a time is under way, and nothing behind it in its
// object, so that the one to blame is found, and others are not taken along a third time. One that goes on for
// long, while the worker answers, is none any more.
//
// One lane's thread and loop. Hubs share it; it may outlive the lane's loop only after Close.
#pragma once

#include <ev.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "proto/worker.pb.h"
#include "statekeeper/classes/worker/frame_stream.h"
#include "statekeeper/hub/hub_caller.h"
#include "statekeeper/hub/hub_port.h"

namespace dormouse {

class WorkerLane : public std::enable_shared_from_this<WorkerLane> {
 public:
  struct Config {
    std::string app;
    uint32_t lane = 0;
    int listener = -1;       // a listening socket that does not block; this owns it
    int64_t timeout_ms = 0;  // how long the worker may leave a ping without an answer
    int64_t call_timeout_ms = 0;
    HubCaller* caller = nullptr;
    // The number of the process that is the worker now, and the end of one that is of no use (WorkerProcess).
    std::function<uint32_t()> process = [] { return 0; };
    std::function<void(uint32_t process, const std::string& why)> kill;
    // Which lane has a suspect under way, of all that share the worker (its number + 1; 0: none has).
    std::shared_ptr<std::atomic<uint32_t>> suspect_lane = std::make_shared<std::atomic<uint32_t>>(0);
    std::function<bool()> is_over;  // no other worker follows the one that there is
  };
  WorkerLane(Config config, struct ev_loop* loop);
  ~WorkerLane();
  WorkerLane(const WorkerLane&) = delete;
  WorkerLane& operator=(const WorkerLane&) = delete;

  // The lane's loop ends.
  void Close();
  // None of its hubs is left: closes, when there is no worker any more that would end with this connection, or with the
  // loop.
  void Leave();

  // Its worker takes no more requests of HTTP. `done`: the last one is answered, or there is no worker any more.
  void EndHttp(std::function<void()> done);

  // --- Of hubs. An object's number.
  uint64_t NewObject(std::shared_ptr<HubPort> port, std::string hub);
  void DropObject(uint64_t object);
  // The next event of the object, which has its number. `deferred`: as what the runtime keeps it, 0: it does not.
  // `restarts`: workers that have ended with it; not 0: it is a suspect.
  void Send(uint64_t object, worker::Event event, uint64_t deferred, uint32_t restarts);

 private:
  struct Object {
    std::shared_ptr<HubPort> port;
    std::string hub;
    std::deque<std::pair<worker::Event, uint32_t>> waiting;  // with: restarts
    std::unordered_map<uint64_t, uint64_t> deferred;         // by the event's number
    uint64_t suspect = 0;                                    // the event that is under way as one; 0: none
    bool introduced = false;                                 // the worker knows it
    bool held = false;
  };

  static void OnConnection(struct ev_loop* loop, ev_io* watcher, int events);
  static void OnTurnEnd(struct ev_loop* loop, ev_prepare* watcher, int revents);
  static void OnAnswers(struct ev_loop* loop, ev_async* watcher, int events);
  static void OnTimer(struct ev_loop* loop, ev_timer* timer, int events);
  static void OnLoopEnd(struct ev_loop* loop, ev_cleanup* watcher, int events);

  void Accept();
  bool OnFrame(size_t stream, std::string_view frame);
  void OnEnd(size_t stream, const std::string& why);
  bool IsConnected() const { return main_ != nullptr; }
  void Flush();
  void Ping();

  // Sends what waits of the object, as far as suspects allow. Nothing of the object is to be touched afterwards.
  void SendWaiting(uint64_t number, Object* object);
  void EndSuspect(uint64_t number, Object* object, uint64_t event);
  void LookForSuspects();
  // Whether a suspect may begin: none is under way, in no lane.
  bool TakeSuspectTurn();
  void EndSuspectTurn();
  // It has been under way for long, and its worker lives: its end may have to wait for what waits behind it.
  void AcquitSuspect();
  // Before so many bytes are added to `output_`.
  void MakeRoom(size_t bytes);

  void OnTurn(worker::Turn* turn);
  void OnRead(worker::Read* read, size_t stream);
  void OnAskAnswerTimes(worker::AskAnswerTimes* question, size_t stream);
  // What was asked on that stream.
  void AnswerOn(size_t stream, worker::ToWorker answer);
  void OnCall(worker::Call* call);
  void OnLog(const worker::Log& log);
  void Answer(worker::CallAnswer answer);

  const Config config_;
  struct ev_loop* const loop_;
  bool closed_ = false;
  ev_io connection_;
  ev_prepare turn_end_;
  ev_timer timer_;
  ev_async answered_;
  ev_cleanup loop_end_;
  std::shared_ptr<WorkerLane> left_;  // this, after Leave

  // Streams by number: those that have not said what they are, the main one, and those for reads.
  std::unordered_map<size_t, std::unique_ptr<FrameStream>> streams_;
  size_t last_stream_ = 0;
  size_t main_number_ = 0;
  uint32_t process_ = 0;  // whose the main one is
  FrameStream* main_ = nullptr;
  bool knows_timers_ = false;                        // whoever is at the main one
  std::function<void()> http_ended_;                 // nullptr: nobody waits for that
  worker::ToWorker output_;                          // of this turn, for the main stream
  size_t output_bytes_ = 0;                          // about
  std::vector<std::unique_ptr<FrameStream>> ended_;  // within whose calls they may not go

  std::unordered_map<uint64_t, Object> objects_;
  uint64_t suspect_object_ = 0;  // has a suspect under way; 0: none
  int64_t suspect_since_ms_ = 0;
  // Objects whose next event is a suspect, by its restarts: which ended with the fewest workers is tried first. So workers
  // that somebody else ends, one after the other, are not all laid at one event's door.
  std::set<std::pair<uint32_t, uint64_t>> suspects_waiting_;
  uint64_t ping_ = 0;  // that was not answered yet; 0: none
  uint64_t last_ping_ = 0;
  int64_t pinged_ms_ = 0;

  std::unordered_map<uint64_t, int64_t> calls_;  // not answered yet: when they are given up (SteadyMs)
  // Answers of calls come on other threads.
  struct Answers;
  const std::shared_ptr<Answers> answers_;
};

}  // namespace dormouse
