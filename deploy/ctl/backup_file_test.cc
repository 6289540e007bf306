#include "deploy/ctl/backup_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "common/temp_dir.h"
#include "deploy/ctl/failure.h"

namespace dormouse {
namespace {

using testing::AllOf;
using testing::HasSubstr;

backup::FileHeader Header(const std::string& cluster = "a") {
  backup::FileHeader header;
  header.set_id(1);
  header.set_version("0.1.0");
  header.set_stored_format(1);
  header.set_shards(8);
  header.set_cluster(cluster);
  return header;
}

backup::HubPart* AddPart(backup::Chunk* chunk, const std::string& hub, bool first, bool last, int rows) {
  backup::HubPart* part = chunk->add_parts();
  part->set_hub(hub);
  part->set_first(first);
  part->set_last(last);
  for (int i = 0; i < rows; ++i) {
    backup::Row* row = part->add_rows();
    row->set_key("u/" + std::to_string(i));
    if (i % 2 == 0) row->set_value(std::string(1, '\0') + hub);
  }
  return part;
}

backup::Chunk WholeHubs(uint32_t shard, const std::vector<std::string>& hubs, bool ends) {
  backup::Chunk chunk;
  chunk.set_shard(shard);
  chunk.set_shard_ends(ends);
  for (const std::string& hub : hubs) AddPart(&chunk, hub, true, true, 3);
  return chunk;
}

backup::Chunk PartOf(uint32_t shard, const std::string& hub, bool first, bool last) {
  backup::Chunk chunk;
  chunk.set_shard(shard);
  AddPart(&chunk, hub, first, last, 2);
  return chunk;
}

class BackupFileTest : public testing::Test {
 protected:
  // Three chunks of whole hubs, and a hub in three parts.
  void Fill(BackupWriter* writer) {
    writer->Add(WholeHubs(1, {"echo/a", "echo/b"}, false));
    writer->Add(WholeHubs(1, {"echo/c"}, true));
    writer->Add(PartOf(3, "echo/large", true, false));
    writer->Add(PartOf(3, "echo/large", false, false));
    writer->Add(PartOf(3, "echo/large", false, true));
    writer->Add(WholeHubs(3, {"echo/z"}, true));
  }
  std::string Make() {
    BackupWriter writer(path_, Header(), false, false);
    Fill(&writer);
    writer.Finish(5);
    return Read(path_);
  }
  // In pieces of three bytes.
  static void AddApp(BackupWriter* writer, const std::string& first, const std::string& second) {
    backup::Chunk chunk;
    chunk.mutable_app()->set_name("chat");
    chunk.mutable_app()->set_current("2");
    for (const char* content : {"first", "second"}) {
      app::Version* const version = chunk.mutable_app()->add_versions();
      Sha256 hash;
      hash.Add(content);
      version->set_hash(hash.Digest());
      version->set_bytes(std::string(content).size());
    }
    writer->Add(chunk);
    for (const std::string& content : {first, second}) {
      for (size_t at = 0; at < content.size(); at += 3) {
        backup::Chunk part;
        part.set_app_content(content.substr(at, 3));
        writer->Add(part);
      }
    }
  }
  // An app in a chunk and four pieces, then hubs.
  std::string MakeWithApp() {
    BackupWriter writer(path_, Header(), true, false);
    AddApp(&writer, "first", "second");
    Fill(&writer);
    writer.Finish(5);
    return Read(path_);
  }
  static std::string Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(files_ / name, std::ios::binary) << bytes;
    return files_ / name;
  }
  // What it is refused with; "" if it is not.
  static std::string Refusal(const std::string& path) {
    try {
      VerifyBackup(path);
    } catch (const Failure& failure) {
      return failure.what();
    }
    return "";
  }
  std::string RefusalOf(const std::string& bytes) const { return Refusal(Write("damaged", bytes)); }
  // Where its records begin, by kind.
  static std::vector<size_t> Records(const std::string& bytes) {
    std::vector<size_t> at;
    for (size_t i = 20; i < bytes.size();) {
      at.push_back(i);
      size_t length = 0;
      for (int n = 3; n >= 0; --n) length = length << 8 | static_cast<unsigned char>(bytes[i + n]);
      i += 9 + length;
    }
    return at;
  }

  const TempDir files_;
  const std::string path_ = files_ / "backup";
};

TEST_F(BackupFileTest, GivesBackWhatWasPutIn) {
  Make();
  EXPECT_FALSE(std::filesystem::exists(path_ + ".part"));
  EXPECT_EQ(std::filesystem::status(path_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  BackupReader reader(path_);
  EXPECT_EQ(reader.header().shards(), 8u);
  std::vector<std::string> hubs;
  backup::Chunk chunk;
  while (reader.Next(&chunk)) {
    for (const backup::HubPart& part : chunk.parts()) {
      if (part.first()) hubs.push_back(part.hub());
      EXPECT_EQ(part.rows(0).value(), std::string(1, '\0') + part.hub());
      EXPECT_FALSE(part.rows(1).has_value());
    }
  }
  EXPECT_THAT(hubs, testing::ElementsAre("echo/a", "echo/b", "echo/c", "echo/large", "echo/z"));
  EXPECT_EQ(reader.end().hubs(), 5u);
  EXPECT_EQ(reader.end().rows(), 4u * 3 + 3u * 2);
  EXPECT_EQ(reader.end().ended_ms(), 5);
}

TEST_F(BackupFileTest, RefusesWhatIsNone) {
  EXPECT_THAT(Refusal(files_ / "none"), HasSubstr("There is no file "));
  EXPECT_THAT(RefusalOf(""), HasSubstr("is not a backup of Dormouse's"));
  EXPECT_THAT(RefusalOf("SQLite format 3 and much more that is none of ours"),
              HasSubstr("is not a backup of Dormouse's"));
  std::string newer = Make();
  newer[16] = 3;
  EXPECT_THAT(RefusalOf(newer), AllOf(HasSubstr("in version 3 of the format"), HasSubstr("up to version 2")));
}

TEST_F(BackupFileTest, GivesBackAnApp) {
  EXPECT_EQ(Make()[16], 1) << "a file without an app is of the version that more programs read";
  std::filesystem::remove(path_);
  EXPECT_EQ(MakeWithApp()[16], 2);
  BackupReader reader(path_);
  std::string contents;
  backup::Chunk chunk;
  while (reader.Next(&chunk)) contents += chunk.app_content();
  EXPECT_EQ(contents, "firstsecond");
  EXPECT_EQ(VerifyBackup(path_).app.current(), "2");
  EXPECT_EQ(VerifyBackup(path_).end.hubs(), 5u);
}

TEST_F(BackupFileTest, RefusesAnAppThatIsNotWhole) {
  for (const auto& [first, second] :
       {std::pair("first", "secon"), std::pair("firs", "second"), std::pair("fiRst", "second")}) {
    {
      BackupWriter writer(path_, Header(), true, true);
      AddApp(&writer, first, second);
      Fill(&writer);
      writer.Finish(5);
    }
    EXPECT_THAT(Refusal(path_), HasSubstr("is damaged"));
    std::filesystem::remove(path_);
  }
  BackupWriter writer(path_, Header(), false, true);
  AddApp(&writer, "first", "second");
  writer.Finish(5);
  EXPECT_THAT(Refusal(path_), HasSubstr("is damaged")) << "there is none in version 1";
}

TEST_F(BackupFileTest, GoesOnAfterAWholeApp) {
  const std::string whole = MakeWithApp();
  std::filesystem::remove(path_);
  const std::vector<size_t> at = Records(whole);
  for (size_t i = 1; i < 8; ++i) {
    Write("backup.part", whole.substr(0, at[i]));
    BackupWriter writer(path_, Header(), true, false);
    EXPECT_TRUE(writer.place().resumed);
    EXPECT_EQ(writer.place().has_app, i >= 6) << i;
    if (i >= 6) continue;
    writer.Finish(5);
    EXPECT_EQ(VerifyBackup(path_).app.versions_size(), 0) << i;
    std::filesystem::remove(path_);
  }
  // One that was begun before there was an app has no place for it.
  std::filesystem::remove(path_ + ".part");
  Make();
  std::filesystem::rename(path_, path_ + ".part");
  EXPECT_FALSE(BackupWriter(path_, Header(), true, false).place().resumed);
}

TEST_F(BackupFileTest, RefusesEveryPartOfAFile) {
  const std::string whole = Make();
  for (size_t size = 1; size < whole.size(); ++size)
    EXPECT_THAT(RefusalOf(whole.substr(0, size)), HasSubstr("only the beginning of a backup")) << size;
  EXPECT_THAT(RefusalOf(whole + "x"), HasSubstr("something follows its end"));
  EXPECT_EQ(RefusalOf(whole), "");
}

TEST_F(BackupFileTest, RefusesEveryChangedByte) {
  const std::string whole = Make();
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    EXPECT_NE(RefusalOf(changed), "") << at;
  }
}

TEST_F(BackupFileTest, RefusesWholeRecordsInAnotherOrder) {
  const std::string whole = Make();
  const std::vector<size_t> at = Records(whole);
  ASSERT_EQ(at.size(), 8u);
  const auto record = [&](size_t i) { return whole.substr(at[i], at[i + 1] - at[i]); };
  const std::string left_out = whole.substr(0, at[1]) + whole.substr(at[2]);
  const std::string twice = whole.substr(0, at[2]) + whole.substr(at[1]);
  const std::string exchanged = whole.substr(0, at[1]) + record(2) + record(1) + whole.substr(at[3]);
  for (const std::string& each : {left_out, twice, exchanged})
    EXPECT_THAT(RefusalOf(each), HasSubstr("its checksum is not that of its contents"));
  const std::string half_a_hub = whole.substr(0, at[4]) + whole.substr(at[5]);
  EXPECT_NE(RefusalOf(half_a_hub), "");
  EXPECT_THAT(RefusalOf(whole.substr(0, at[3]) + whole.substr(at[4])), HasSubstr("is damaged"));
}

TEST_F(BackupFileTest, GoesOnWhereItWasLeft) {
  std::string left;
  {
    BackupWriter writer(path_, Header(), false, false);
    EXPECT_FALSE(writer.place().resumed);
    Fill(&writer);
    left = Read(path_ + ".part");
  }
  const std::vector<size_t> at = Records(left);
  struct Case {
    size_t size;
    uint32_t shard;
    std::string after;
    uint64_t hubs;
  };
  const Case cases[] = {
      {at[1], 0, "", 0}, {at[2] - 1, 0, "", 0}, {at[2], 1, "echo/b", 2},     {at[3], 2, "", 3},
      {at[4], 2, "", 3}, {at[5] + 3, 2, "", 3}, {at[6], 3, "echo/large", 4}, {left.size(), 4, "", 5},
  };
  for (const Case& each : cases) {
    Write("backup.part", left.substr(0, each.size));
    const BackupWriter writer(path_, Header(), false, false);
    EXPECT_TRUE(writer.place().resumed) << each.size;
    EXPECT_EQ(writer.place().shard, each.shard) << each.size;
    EXPECT_EQ(writer.place().after, each.after) << each.size;
    EXPECT_EQ(writer.count().hubs, each.hubs) << each.size;
  }
  // Not even a header: from the beginning.
  Write("backup.part", left.substr(0, at[1] - 1));
  EXPECT_FALSE(BackupWriter(path_, Header(), false, false).place().resumed);
  // What follows is a file as if nothing had happened.
  Write("backup.part", left.substr(0, at[5] + 3));
  {
    BackupWriter writer(path_, Header(), false, false);
    writer.Add(PartOf(3, "echo/large", true, true));
    writer.Add(WholeHubs(3, {"echo/z"}, true));
    writer.Finish(5);
  }
  EXPECT_EQ(VerifyBackup(path_).end.hubs(), 5u);
  EXPECT_THAT(Refusal(Write("other.part", left)),
              HasSubstr("`dormousectl backup " + files_.path() + "/other`"));
}

TEST_F(BackupFileTest, GoesOnAfterItsEndWasWritten) {
  const std::string whole = Make();
  std::filesystem::rename(path_, path_ + ".part");
  BackupWriter writer(path_, Header(), false, false);
  EXPECT_EQ(writer.place().shard, 4u);
  writer.Finish(5);
  EXPECT_EQ(Read(path_), whole);
}

TEST_F(BackupFileTest, DropsAHubThatCouldNotBeReadToItsEnd) {
  BackupWriter writer(path_, Header(), false, false);
  writer.Add(WholeHubs(1, {"echo/a"}, false));
  writer.Add(PartOf(1, "echo/large", true, false));
  writer.Add(PartOf(1, "echo/large", false, false));
  writer.DropOpen();
  EXPECT_EQ(writer.count().hubs, 1u);
  EXPECT_EQ(writer.count().rows, 3u);
  writer.Add(PartOf(1, "echo/large", true, true));
  writer.Finish(5);
  EXPECT_EQ(VerifyBackup(path_).end.hubs(), 2u);
}

TEST_F(BackupFileTest, RefusesToWriteWhatIsNotItsOwn) {
  const auto refusal = [this](const backup::FileHeader& header, bool afresh) -> std::string {
    try {
      const BackupWriter writer(path_, header, false, afresh);
    } catch (const Failure& failure) {
      return failure.what();
    }
    return "";
  };
  {
    BackupWriter writer(path_, Header(), false, false);
    EXPECT_THAT(refusal(Header(), false), HasSubstr("Another dormousectl is writing"));
    Fill(&writer);
  }
  EXPECT_THAT(refusal(Header("b"), false), AllOf(HasSubstr("of another cluster"), HasSubstr("--afresh")));
  EXPECT_EQ(refusal(Header("b"), true), "");
  Write("backup.part", "somebody's notes, which are longer than the head of a backup");
  EXPECT_THAT(refusal(Header(), false), HasSubstr("is not a backup"));
  Write("backup.part", "");
  EXPECT_EQ(refusal(Header(), false), "");
  Write("backup", "");
  EXPECT_THAT(refusal(Header(), false), HasSubstr("is there already"));
}

}  // namespace
}  // namespace dormouse
