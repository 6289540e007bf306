#include "clients/hubs/js/sqlite/hub_vfs.h"

#include <cstring>
#include <memory>
#include <string>

namespace dormouse {
namespace {

constexpr char kName[] = "dormouse-hub";

struct HubFile {
  sqlite3_file base;  // first: SQLite knows no more of it
  PageStore* store;
  // The first page, from when SQLite looked at the header alone until it reads the page: it asks once.
  uint8_t* first_page;
};

// What is being opened. SQLite opens the file within sqlite3_open_v2, and offers no other way to say which.
thread_local PageStore* opening = nullptr;

HubFile* File(sqlite3_file* file) { return reinterpret_cast<HubFile*>(file); }

int Close(sqlite3_file* file) {
  delete[] File(file)->first_page;
  return SQLITE_OK;
}

int ReadPart(HubFile* file, uint8_t* to, int amount, sqlite3_int64 offset) {
  // Parts are of the header.
  if (offset + amount > static_cast<sqlite3_int64>(kHubPageSize)) return SQLITE_IOERR_READ;
  if (file->first_page == nullptr) {
    std::unique_ptr<uint8_t[]> page(new uint8_t[kHubPageSize]);
    if (!file->store->Read(1, page.get())) return SQLITE_IOERR_READ;
    file->first_page = page.release();
  }
  memcpy(to, file->first_page + offset, amount);
  return SQLITE_OK;
}

int Read(sqlite3_file* base, void* to, int amount, sqlite3_int64 offset) {
  HubFile* file = File(base);
  const sqlite3_int64 page = offset / static_cast<sqlite3_int64>(kHubPageSize);
  if (page >= file->store->page_count()) {
    memset(to, 0, amount);
    return SQLITE_IOERR_SHORT_READ;
  }
  const bool whole = amount == static_cast<int>(kHubPageSize) && offset % kHubPageSize == 0;
  if (!whole || (page == 0 && file->first_page != nullptr)) {
    const int result = ReadPart(file, static_cast<uint8_t*>(to), amount, offset);
    if (whole) {
      delete[] file->first_page;
      file->first_page = nullptr;
    }
    return result;
  }
  return file->store->Read(page + 1, static_cast<uint8_t*>(to)) ? SQLITE_OK : SQLITE_IOERR_READ;
}

int Write(sqlite3_file* base, const void* from, int amount, sqlite3_int64 offset) {
  HubFile* file = File(base);
  if (amount != static_cast<int>(kHubPageSize) || offset % kHubPageSize != 0) return SQLITE_IOERR_WRITE;
  if (offset == 0) {
    delete[] file->first_page;
    file->first_page = nullptr;
  }
  file->store->Write(offset / kHubPageSize + 1, static_cast<const uint8_t*>(from));
  return SQLITE_OK;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  File(file)->store->Resize(size / kHubPageSize);
  return SQLITE_OK;
}

int Sync(sqlite3_file*, int) { return SQLITE_OK; }

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(File(file)->store->page_count()) * kHubPageSize;
  return SQLITE_OK;
}

int Lock(sqlite3_file*, int) { return SQLITE_OK; }

int CheckReservedLock(sqlite3_file*, int* locked) {
  *locked = 0;
  return SQLITE_OK;
}

int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return kHubPageSize; }
int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_SAFE_APPEND; }

const sqlite3_io_methods kMethods = {1,
                                     Close,
                                     Read,
                                     Write,
                                     Truncate,
                                     Sync,
                                     FileSize,
                                     Lock,
                                     Lock,
                                     CheckReservedLock,
                                     FileControl,
                                     SectorSize,
                                     DeviceCharacteristics,
                                     nullptr,
                                     nullptr,
                                     nullptr,
                                     nullptr,
                                     nullptr,
                                     nullptr};

int Open(sqlite3_vfs*, const char*, sqlite3_file* file, int flags, int* opened_flags) {
  file->pMethods = nullptr;
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0 || opening == nullptr) return SQLITE_CANTOPEN;
  File(file)->store = opening;
  File(file)->first_page = nullptr;
  file->pMethods = &kMethods;
  if (opened_flags != nullptr) *opened_flags = flags;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char*, int) { return SQLITE_OK; }

int Access(sqlite3_vfs*, const char*, int, int* exists) {
  *exists = 0;
  return SQLITE_OK;
}

int FullPathname(sqlite3_vfs*, const char* name, int size, char* path) {
  sqlite3_snprintf(size, path, "%s", name);
  return SQLITE_OK;
}

// Clock and randomness are the system's.
sqlite3_vfs* System() {
  static sqlite3_vfs* const system = sqlite3_vfs_find(nullptr);
  return system;
}
int Randomness(sqlite3_vfs*, int size, char* bytes) { return System()->xRandomness(System(), size, bytes); }
int Sleep(sqlite3_vfs*, int microseconds) { return System()->xSleep(System(), microseconds); }
int CurrentTime(sqlite3_vfs*, double* now) { return System()->xCurrentTime(System(), now); }
int CurrentTimeInt64(sqlite3_vfs*, sqlite3_int64* now) { return System()->xCurrentTimeInt64(System(), now); }
int LastError(sqlite3_vfs*, int, char*) { return 0; }

bool Register() {
  // Most hubs have few pages, so none are allocated beforehand; and nobody asks how much memory SQLite has. Too late
  // where somebody else in this process uses it already, and no harm then.
  sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static sqlite3_vfs vfs = {};
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(HubFile);
  vfs.mxPathname = 64;
  vfs.zName = kName;
  vfs.xOpen = Open;
  vfs.xDelete = Delete;
  vfs.xAccess = Access;
  vfs.xFullPathname = FullPathname;
  vfs.xRandomness = Randomness;
  vfs.xSleep = Sleep;
  vfs.xCurrentTime = CurrentTime;
  vfs.xGetLastError = LastError;
  vfs.xCurrentTimeInt64 = CurrentTimeInt64;
  return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
}

}  // namespace

int OpenOnPages(PageStore* store, sqlite3** db) {
  static const bool registered = Register();
  if (!registered) return SQLITE_CANTOPEN;
  opening = store;
  const int result = sqlite3_open_v2(
      "hub", db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      kName);
  opening = nullptr;
  return result;
}

}  // namespace dormouse
