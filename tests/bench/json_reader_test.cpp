#include "bench/json_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace parsec::bench {
namespace {

struct Machine {
  std::string name;
  double share = 1;
  std::uint32_t cores = 0;
  bool fast = false;
  std::vector<std::string> disks;
};

std::expected<Machine, std::string> read(std::string_view json) {
  return JsonReader::document(json, [](JsonReader& all) {
    Machine machine;
    all.only({"machine", "fast"});
    all.truth("fast", machine.fast, JsonReader::Need::optional);
    if (auto reader = all.object("machine")) {
      reader->only({"name", "share", "cores", "disks"});
      reader->text("name", machine.name);
      reader->number("share", machine.share, {.least = 0, .most = 1, .above = true},
                     JsonReader::Need::optional);
      reader->whole("cores", machine.cores, JsonReader::Need::required, 1u);
      reader->objects(
          "disks",
          [&](JsonReader& disk) {
            disk.only({"name"});
            disk.text("name", machine.disks.emplace_back());
          },
          JsonReader::Need::optional);
    }
    return machine;
  });
}

TEST(JsonReader, ReadsWhatIsThere) {
  const auto machine = read(R"({"fast": true, "machine": {"name": "m", "share": 0.5, "cores": 8,
                                "disks": [{"name": "a"}, {"name": "b"}]}})");
  ASSERT_TRUE(machine) << machine.error();
  EXPECT_EQ(machine->name, "m");
  EXPECT_EQ(machine->share, 0.5);
  EXPECT_EQ(machine->cores, 8u);
  EXPECT_TRUE(machine->fast);
  EXPECT_EQ(machine->disks, (std::vector<std::string>{"a", "b"}));
}

TEST(JsonReader, NamesThePlaceOfWhatIsWrong) {
  struct Row {
    const char* json;
    const char* error;
  };
  const Row rows[] = {
      {"[]", "must be an object"},
      {"{}", "machine: is missing"},
      {R"({"colour": 1, "machine": {"name": "m", "cores": 1}})", "colour: is not known"},
      {R"({"machine": 7})", "machine: must be an object"},
      {R"({"fast": 1, "machine": {"name": "m", "cores": 1}})", "fast: must be true or false"},
      {R"({"machine": {"name": 7, "cores": 1}})", "machine.name: must be a text"},
      {R"({"machine": {"name": "m", "cores": 0}})",
       "machine.cores: must be a whole number from 1 to 4294967295"},
      {R"({"machine": {"name": "m", "cores": 4294967296}})",
       "machine.cores: must be a whole number from 1 to 4294967295"},
      {R"({"machine": {"name": "m", "cores": 1, "share": "x"}})",
       "machine.share: must be a number"},
      {R"({"machine": {"name": "m", "cores": 1, "share": 0}})", "machine.share: must be above 0"},
      {R"({"machine": {"name": "m", "cores": 1, "share": 2}})", "machine.share: must be at most 1"},
      {R"({"machine": {"name": "m", "cores": 1, "disks": 1}})", "machine.disks: must be a list"},
      {R"({"machine": {"name": "m", "cores": 1, "disks": [{"name": "a"}, 1]}})",
       "machine.disks[1]: must be an object"},
      {R"({"machine": {"name": "m", "cores": 1, "disks": [{"size": 1}]}})",
       "machine.disks[0].size: is not known"},
  };
  for (const Row& row : rows) {
    const auto machine = read(row.json);
    ASSERT_FALSE(machine) << row.json;
    EXPECT_EQ(machine.error(), row.error);
  }
  EXPECT_TRUE(read("{").error().starts_with("not JSON: "));
}

TEST(JsonReader, AFileThatIsNotThere) {
  EXPECT_EQ(read_file("/no/such/file").error(), "cannot read /no/such/file");
}

}  // namespace
}  // namespace parsec::bench
