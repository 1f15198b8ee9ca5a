#include "db/driver/probe.h"

#include <gtest/gtest.h>

#include <chrono>

namespace parsec::db {
namespace {

using namespace std::chrono_literals;

TEST(Probe, IsHeardByItsOwnTokenOnly) {
  Probe probe, other;
  EXPECT_FALSE(probe.begin().listening);
  probe.on_listening(true);
  const Probe::Ticket ticket = probe.begin();
  ASSERT_TRUE(ticket.listening);
  probe.on_notification(other.begin().token);
  EXPECT_EQ(probe.wait(ticket, 1ms), Probe::Result::missing);
  probe.on_notification(ticket.token);
  EXPECT_EQ(probe.wait(ticket, 1ms), Probe::Result::heard);
}

TEST(Probe, NothingIsMissingWhereTheListenerWasAway) {
  Probe probe;
  probe.on_listening(true);
  const Probe::Ticket ticket = probe.begin();
  probe.on_listening(false);
  EXPECT_EQ(probe.wait(ticket, 1h), Probe::Result::untold);
  probe.on_listening(true);
  EXPECT_EQ(probe.wait(ticket, 1h), Probe::Result::untold);
}

TEST(Probe, TellsTheListenerOnceThatSomethingIsMissing) {
  Probe probe;
  int alarms = 0;
  probe.set_alarm([&] { ++alarms; });
  probe.on_listening(true);
  EXPECT_FALSE(probe.take_missing());
  probe.report_missing();
  EXPECT_EQ(alarms, 1);
  EXPECT_TRUE(probe.take_missing());
  EXPECT_FALSE(probe.take_missing());
  probe.stop();
  EXPECT_EQ(probe.wait(probe.begin(), 1h), Probe::Result::untold);
}

}  // namespace
}  // namespace parsec::db
