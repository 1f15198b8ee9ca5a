// The example of engine/README.md, as its reader would run it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdio>
#include <memory>
#include <string>

#include "tests/support/loopback.h"
#include "tests/support/source_tree.h"

namespace parsec::engine {
namespace {

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Closer>;

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read.reset(::fdopen(ends[0], "r"));
    write.reset(::fdopen(ends[1], "w"));
  }
  File read, write;
};

TEST(EngineExample, EchoesUntilEnterIsPressed) {
  Pipe keyboard, screen;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ::fileno(keyboard.read.get()), 0);
  ::posix_spawn_file_actions_adddup2(&actions, ::fileno(screen.write.get()), 1);
  std::string program = testing::built_program("example_engine");
  char* const arguments[] = {program.data(), nullptr};
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  screen.write.reset();

  int port = 0;
  char line[500];  // warnings come first
  while (std::fgets(line, sizeof(line), screen.read.get()) != nullptr &&
         std::sscanf(line, "echoes on port %d", &port) != 1) {
  }
  ASSERT_NE(port, 0);
  {
    testing::Loopback client{static_cast<std::uint16_t>(port)};
    EXPECT_TRUE(client.send("hello"));
    EXPECT_EQ(client.receive(5).bytes, "hello");
  }
  keyboard.write.reset();
  int status = -1;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace parsec::engine
