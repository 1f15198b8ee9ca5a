#include "bench/report/html_writer.h"

#include <gtest/gtest.h>

namespace parsec::bench {
namespace {

TEST(HtmlWriter, EscapesEveryTextAndAttribute) {
  HtmlWriter html;
  html.open("p", {{"title", "\"<&'>"}});
  html.text("a<b>&c\x01\n");
  html.empty("br");
  html.element("i", "<script>");
  html.close();
  EXPECT_EQ(html.take(),
            "<!DOCTYPE html>\n<p title=\"&quot;&lt;&amp;&#39;&gt;\">a&lt;b&gt;&amp;c \n<br/>\n"
            "<i>&lt;script&gt;</i>\n</p>\n");
}

TEST(HtmlWriterDeathTest, WhatIsOpenCannotBeTaken) {
  HtmlWriter html;
  html.open("p");
  EXPECT_DEATH(html.take(), "open_");
  html.close();
}

}  // namespace
}  // namespace parsec::bench
