// A Connection as JavaScript has it: pages come from a function of JavaScript, and what SQLite says comes as an
// exception. Shared by the Database that opened it and by its Statements, each of which may be the last to go.
#pragma once

#include <node_api.h>

#include <memory>
#include <string>
#include <vector>

#include "clients/hubs/js/sqlite/connection.h"

namespace dormouse {

class Session {
 public:
  // `read_page` is not kept alive by this.
  Session(napi_env env, napi_value read_page, uint32_t page_count, size_t cache_size);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Connection* connection() { return &connection_; }

  // What a function of JavaScript that has failed with this sentence returns: throws what the reader of pages has
  // thrown meanwhile, else an Error.
  napi_value Fail(const std::string& error);

  // The statement is of no use any more. At any time: garbage may be collected while a page is being read.
  void Drop(std::unique_ptr<Prepared> statement);

  // Around all that uses the connection.
  class Use {
   public:
    explicit Use(Session* session);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    // False, with an exception: it is in use.
    explicit operator bool() const { return is_first_; }

   private:
    Session* const session_;
    const bool is_first_;
  };

 private:
  bool ReadPage(uint32_t number, uint8_t* page);
  bool CallReader(uint32_t number, uint8_t* page);

  const napi_env env_;
  napi_ref read_page_ = nullptr;
  napi_ref thrown_ = nullptr;  // by the reader; null: nothing
  bool in_use_ = false;
  std::vector<std::unique_ptr<Prepared>> dropped_;
  Connection connection_;
};

}  // namespace dormouse
