// The class Statement of the addon: a prepared statement. Rows are arrays of values.
//
//   columns                names
//   isReusable             it may be carried out again
//   writes                 its rows are to be fetched at once: nothing can be committed before the last
//   start(...bindings)     carries it out up to its first row; that row, or undefined: it has none
//   next()                 the next row, or undefined: it has ended, and may be started again
//   rest()                 an array of all further rows
//   rowsRead, rowsWritten  since its start
#pragma once

#include <node_api.h>

#include <memory>

#include "clients/hubs/js/sqlite/session.h"

namespace dormouse {

// Once for an env. nullptr: an exception.
napi_value DefineStatement(napi_env env);

// `constructor`: what DefineStatement has returned. Owns `statement` from now on. nullptr: an exception.
napi_value NewStatement(napi_env env, napi_value constructor, std::shared_ptr<Session> session,
                        std::unique_ptr<Prepared> statement, bool is_reusable);

}  // namespace dormouse
