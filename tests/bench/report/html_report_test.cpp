// Pages: whole, every element closed, and without anything from elsewhere.
#include "bench/report/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/bench/report/sample_result.h"

namespace parsec::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Every element is closed by its own name, in order. What is wrong; empty: nothing.
std::string unbalanced(const std::string& page) {
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != page.npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find('>', at);
    if (end == page.npos) return "a tag has no end";
    const std::string tag = page.substr(at + 1, end - at - 1);
    if (tag.starts_with('!') || tag.ends_with('/')) continue;
    const std::string name = tag.substr(0, tag.find(' '));
    if (!name.starts_with('/')) {
      open.push_back(name);
    } else if (open.empty() || "/" + open.back() != name) {
      return "closed, but not opened: " + name;
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

void expect_alone(const std::string& page) {
  for (const char* from_elsewhere : {"http://", "https://", "<script", "<link", "<img", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(from_elsewhere)));
  }
}

TEST(HtmlReport, HoldsEverything) {
  const std::string page = html_report(testing::sample_result(1));
  EXPECT_EQ(unbalanced(page), "");
  expect_alone(page);
  for (const char* part :
       {"Capacity: office_hours", "requests per second with 99 % of the answers within 20.0 ms",
        "Latency over the rate", "the promise: 20.0 ms", "Latency by share of the requests",
        "Universal Scalability Law", "Who was how busy", "vlob_update", "What a request costs",
        "Rates that were tried", "broken", "The machine", "Example CPU 3000 &lt;tm&gt;",
        "saved &amp; read by &lt;many&gt; organizations", "synchronous_commit"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
}

TEST(HtmlReport, OfOneLoadAlone) {
  Result result = testing::sample_result(1);
  result.search.reset();
  result.ladder.clear();
  result.scaling.reset();
  for (Measurement& measurement : result.run) {
    measurement.server.reset();
    measurement.postgresql.reset();
    measurement.database.reset();
  }
  const std::string page = html_report(result);
  EXPECT_EQ(unbalanced(page), "");
  EXPECT_THAT(page, HasSubstr("half of the answers within"));
  EXPECT_THAT(page, Not(HasSubstr("Rates that were tried")));
}

TEST(HtmlReport, WhatWentWrongIsNotHidden) {
  Result result = testing::sample_result(1);
  result.run[0].commands[0].replies["no_reply"] = 12;
  result.run.back().bottleneck = Bottleneck::generator;
  const std::string page = html_report(result);
  EXPECT_THAT(page, HasSubstr("12 requests were not answered"));
  EXPECT_THAT(page, HasSubstr("no_reply: 12"));
  EXPECT_THAT(page, HasSubstr("The load generator was at its limit"));
}

TEST(HtmlReport, TwoSideBySide) {
  const Result before = testing::sample_result(1), after = testing::sample_result(2);
  const std::string page =
      html_comparison(compare(before, after), before, after, "old <1>.json", "new.json");
  EXPECT_EQ(unbalanced(page), "");
  expect_alone(page);
  EXPECT_THAT(page, HasSubstr("old &lt;1&gt;.json"));
  EXPECT_THAT(page, HasSubstr("highest rate that keeps the promise"));
  EXPECT_THAT(page, HasSubstr("class=\"good\">better"));
}

}  // namespace
}  // namespace parsec::bench
