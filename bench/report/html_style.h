// The style sheet of HTML reports: dark and light as the reader's system is, narrow screens, paper.
// Nothing is loaded from anywhere.
#pragma once

#include <string_view>

namespace parsec::bench {

extern const std::string_view html_style;

}  // namespace parsec::bench
